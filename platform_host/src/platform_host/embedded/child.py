"""Becomes a server's process: ordinary uid, death with the host, then exec. Run as `python -I -S child.py JSON`.

A step of its own, because a user namespace can only be entered single-threaded and because the parent-death
signal has to be set after the uid change (the kernel clears it there). Standard library only: each start pays it.

JSON: {"parent": host pid, "death_signal": number, "demote": bool, "own": [paths], "argv": [program, …]}.
Exit code 126 with a sentence on stderr when it can't become that process.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import signal
import sys
from pathlib import Path
from typing import TypedDict

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522
_PREFERRED_USERS = ("postgres", "nobody", "daemon")


class Order(TypedDict):
    """What the host asks for; see the module's text."""

    parent: int
    death_signal: int
    demote: bool
    own: list[str]
    argv: list[str]


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilitySets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def ordinary_user() -> pwd.struct_passwd:
    """An unprivileged entry of the user database: initdb wants its uid to have a name."""
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in _PREFERRED_USERS:
        if name in entries:
            return entries[name]
    if not entries:
        raise OSError("the user database has no ordinary user to run PostgreSQL as")
    return next(iter(entries.values()))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def enter_user_namespace(user: pwd.struct_passwd) -> None:
    """Be `user` inside a namespace of one's own and root to the files outside: a 0700 /root stays reachable.

    No capability over anything outside remains, and none at all after exec.
    Raises OSError where the kernel or a container's seccomp profile refuses it.
    """
    child = os.fork()
    if child == 0:  # a trial run: a namespace that can't be mapped would leave us as nobody, without a way back
        try:
            _map_user(user)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise OSError("user namespaces are refused here")
    _map_user(user)


def _map_user(user: pwd.struct_passwd) -> None:
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc().unshare(_CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid} {gid} 1")


def become_user(user: pwd.struct_passwd, own: list[str], program: str) -> None:
    """Change uid for good: `own` is handed over first, and only if `program` or a folder of `own` lies behind
    a folder closed to `user` is the right to pass through such folders kept.
    """
    for root in own:
        _hand_over(Path(root), user)
    libc = _libc()
    _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(KEEPCAPS)")
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if all(os.access(path, os.X_OK) for path in (program, *own)):
        _keep_capability(libc, None)
        return
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        try:
            _keep_capability(libc, capability)
        except OSError:
            continue
        return
    raise OSError(f"{user.pw_name} can't reach {program}, and passing closed folders isn't permitted here")


def _hand_over(root: Path, user: pwd.struct_passwd) -> None:
    for folder, _, files in os.walk(root):
        for path in (folder, *(str(Path(folder, name)) for name in files)):
            if os.lstat(path).st_uid != user.pw_uid:
                os.lchown(path, user.pw_uid, user.pw_gid)


def _keep_capability(libc: ctypes.CDLL, capability: int | None) -> None:
    mask = 0 if capability is None else 1 << capability
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySets * 2)()
    sets[0] = _CapabilitySets(mask, mask, mask)
    _check(libc.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")
    if capability is not None:
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(CAP_AMBIENT)")


def die_with_parent(parent: int, signal_number: int) -> None:
    """Have the kernel send `signal_number` when the host's starting thread ends; nothing elsewhere than Linux."""
    if sys.platform != "linux":
        return
    _check(_libc().prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PDEATHSIG)")
    if os.getppid() != parent:
        raise OSError("the host went away while this process was starting")


def _run(order: Order) -> None:
    if order["demote"] and os.geteuid() == 0:
        user = ordinary_user()
        try:
            enter_user_namespace(user)
        except OSError:
            become_user(user, order["own"], order["argv"][0])
    die_with_parent(order["parent"], order["death_signal"])
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python's doing, and exec would hand it on
        signal.signal(ignored, signal.SIG_DFL)
    os.execv(order["argv"][0], order["argv"])  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    try:
        _run(json.loads(sys.argv[1]))
    except OSError as fault:
        sys.stderr.write(f"kgents: can't start {Path(json.loads(sys.argv[1])['argv'][0]).name}: {fault}\n")
        sys.exit(126)
