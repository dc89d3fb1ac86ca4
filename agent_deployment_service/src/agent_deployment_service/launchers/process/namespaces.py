"""Namespaces of the fork server and of its children.

The fork server lives in a pid namespace of its own, whose first process it is: when it dies, however it dies, the
kernel ends every worker with it. As an ordinary user it first enters a user namespace that maps the user to
itself, where it holds the capabilities that the rest needs.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from enum import StrEnum
from pathlib import Path
from typing import Final

from kgents_shared.isolation import kernel

INSIDE_ID: Final = 1000
"""User and group id of a worker, as it sees itself."""
_FIRST_UID: Final = 0x70000000
_UID_COUNT: Final = 0x10000
_SMALL_FIRST_UID: Final = 60_000
_SMALL_UID_COUNT: Final = 4_000
_FORK_SERVERS: Final = 3
"""Of one launcher, each with ids of its own to give: none knows which ids the other's workers have."""
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


class Isolation(StrEnum):
    """How far the kernel lets sandboxes be walled off."""

    ROOT = "root"
    """Namespaces made with root's own capabilities; each worker gets a user id of its own."""
    USER = "user"
    """Namespaces below a user namespace of an ordinary user."""
    NONE = "none"
    """No namespaces: filters and limits only."""


def enter_server_namespaces() -> Isolation:
    """Goes on in a process that is the first of a pid namespace and a child of the launcher; the calling one exits.

    Where the kernel refuses, the calling process goes on itself, as `Isolation.NONE`.
    """
    uid, gid = os.geteuid(), os.getegid()
    found = Isolation.NONE
    if uid == 0 and _try_unshare(kernel.CLONE_NEWPID):
        found = Isolation.ROOT if worker_uids() else Isolation.USER
    elif _try_unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID):
        _map_self(uid, gid, uid, gid)
        found = Isolation.USER
    if found is not Isolation.NONE and kernel.fork_sibling() > 0:
        os._exit(0)
    return found


def _try_unshare(flags: int) -> bool:
    try:
        kernel.unshare(flags)
    except (OSError, AttributeError):  # AttributeError: a C library without unshare, as on macOS
        return False
    return True


def worker_uids(server: int = 0) -> range:
    """Ids that workers of a root's fork server, one of three, may be given: unused on any host, and mapped
    here. Empty if there are none."""
    try:
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except OSError:
        return range(0)
    extents = [(int(first), int(length)) for first, _, length in (line.split() for line in lines)]
    for start, count in ((_FIRST_UID, _UID_COUNT), (_SMALL_FIRST_UID, _SMALL_UID_COUNT)):
        if any(first <= start and start + count <= first + length for first, length in extents):
            return range(start + server, start + count, _FORK_SERVERS)
    return range(0)


def _map_self(inside_uid: int, inside_gid: int, outside_uid: int, outside_gid: int) -> None:
    """Maps one user and one group of the parent namespace, as an unprivileged process may (user_namespaces(7))."""
    _write_proc("/proc/self/setgroups", "deny")
    _write_proc("/proc/self/uid_map", f"{inside_uid} {outside_uid} 1")
    _write_proc("/proc/self/gid_map", f"{inside_gid} {outside_gid} 1")


def _write_proc(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


class PidNamespaces:
    """Gives each next child of this process a fresh pid namespace."""

    def __init__(self) -> None:
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def fork(self) -> int:
        """os.fork() whose child is the first process of its own pid namespace."""
        kernel.unshare(kernel.CLONE_NEWPID)
        try:
            pid = os.fork()
        except OSError:
            self._return()
            raise
        if pid:
            self._return()
        return pid

    def _return(self) -> None:
        kernel.setns(self._own, kernel.CLONE_NEWPID)


def enter_worker_namespaces() -> None:
    """New mount, network, ipc, host name and cgroup namespaces for this process; loopback is up, nothing else is."""
    kernel.unshare(
        kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
    )
    socket.sethostname("sandbox")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def become_nobody(uid: int, gid: int) -> None:
    """Takes the worker's own ids, for good. Only in `Isolation.ROOT`."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def enter_user_namespace(uid: int, gid: int) -> None:
    """A user namespace of the worker's own, in which it is user 1000 and owns nothing that was made before."""
    kernel.unshare(kernel.CLONE_NEWUSER)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else its files in /proc belong to root and the maps can't be written
    try:
        _map_self(INSIDE_ID, INSIDE_ID, uid, gid)
    finally:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """SIGKILL for this process when its parent dies; at once if it has. `parent` is a pidfd of the parent.

    Called after the last change of ids, which clears the setting. getppid() says nothing across pid namespaces.
    """
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    import select  # noqa: PLC0415  absent of poll() on some systems, where this function isn't reached

    poll = select.poll()
    poll.register(parent, select.POLLIN)
    if poll.poll(0):
        os._exit(137)
