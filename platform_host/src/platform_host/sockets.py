"""The sockets that the host listens on, bound before anything slow begins: a port that is taken is told at once."""

from __future__ import annotations

import errno
import socket

BACKLOG = 2048


class PortTakenError(Exception):
    """Something else listens at the public address."""


def bind_tcp(address: str, port: int) -> socket.socket:
    """A socket that listens at `address`; connections wait until it is served.

    Raises PortTakenError with a sentence for the operator where the address can't be had.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"port {port} is taken by another program; stop it or set KGENTS_PORT",
            errno.EACCES: f"this user may not listen on port {port}; set KGENTS_PORT to one above 1023",
            errno.EADDRNOTAVAIL: f"this machine has no address {address}; set KGENTS_BIND",
        }
        sentence = reasons.get(error.errno or 0, f"can't listen on {address} port {port}: {error.strerror}")
        raise PortTakenError(sentence) from error
