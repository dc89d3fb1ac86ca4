"""Free TCP ports on the loopback address that stay the same from one start to the next."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST = 20000
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether something could listen on `port` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port(kept: int | None = None) -> int:
    """`kept` while it is free, else another.

    Ports of the ephemeral range are avoided: while a server is down, its clients' retries could be given its own
    port as their source, which keeps it from coming back (or connects a client to itself).
    """
    if kept is not None and is_free(kept):
        return kept
    highest = _first_ephemeral()
    if highest - _LOWEST > 1000:
        for _ in range(100):
            port = random.randrange(_LOWEST, highest)  # noqa: S311 - a spread, not a secret
            if is_free(port):
                return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _first_ephemeral() -> int:
    try:
        return int(_RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 49152  # RFC 6335, and what macOS uses
