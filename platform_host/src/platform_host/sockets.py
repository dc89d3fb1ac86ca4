"""The sockets that the host listens on, bound before anything slow begins: a port that is taken is told at once."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from platform_host.embedded.secret_file import private_folder

if TYPE_CHECKING:
    from collections.abc import Generator

    from platform_host.config import HomePaths

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


@contextmanager
def socket_folder(paths: HomePaths) -> Generator[None]:
    """Have the folders of the Unix sockets while the block runs.

    A stand-in below the temporary folder goes again at the end. Raises OSError where another user made it first.
    """
    folder = paths.sockets
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    private_folder(folder)
    paths.door.parent.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if folder != paths.run:
            shutil.rmtree(folder, ignore_errors=True)
