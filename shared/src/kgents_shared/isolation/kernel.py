"""The kernel calls that Python has no wrapper for, by ctypes.

Each function raises `OSError` with the errno of the call. Numbers come from the kernel's own headers
(`include/uapi`), the system call numbers from `arch/x86/entry/syscalls/syscall_64.tbl` and
`include/uapi/asm-generic/unistd.h`. Nothing here is looked up at import, so that the module imports anywhere.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import signal
from typing import Final

CLONE_PARENT: Final = 0x00008000
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 0x2

MOUNT_ATTR_RDONLY: Final = 0x1
MOUNT_ATTR_NOSUID: Final = 0x2
MOUNT_ATTR_NODEV: Final = 0x4
MOUNT_ATTR_NOEXEC: Final = 0x8
AT_FDCWD: Final = -100
AT_RECURSIVE: Final = 0x8000

PR_SET_PDEATHSIG: Final = 1
PR_GET_PDEATHSIG: Final = 2
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_GET_SECCOMP: Final = 21
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_READ: Final = 23
PR_CAPBSET_DROP: Final = 24
PR_SET_SECUREBITS: Final = 28
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

SECURE_ALL_LOCKED: Final = 0xEF
"""NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and their locks, KEEP_CAPS locked off (`linux/securebits.h`)."""

_LINUX_CAPABILITY_VERSION_3: Final = 0x20080522
_SYSCALLS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capget": 125, "capset": 126},
    "aarch64": {"clone": 220, "pivot_root": 41, "capget": 90, "capset": 91},
}
SYS_MOUNT_SETATTR: Final = 442
SYS_CLOSE_RANGE: Final = 436
SYS_LANDLOCK_CREATE_RULESET: Final = 444
SYS_LANDLOCK_ADD_RULE: Final = 445
SYS_LANDLOCK_RESTRICT_SELF: Final = 446


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library of this process, its calls keeping errno."""
    return ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """`x86_64` or `aarch64`: the machines whose system call numbers are known here; others are an `OSError`."""
    name = platform.machine()
    if name not in _SYSCALLS:
        raise OSError(f"the sandbox does not know the system call numbers of {name}")
    return name


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """One raw system call; integers are passed as C longs."""
    converted = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    function = libc().syscall
    function.restype = ctypes.c_long
    return _checked(function(ctypes.c_long(number), *converted), f"syscall {number}")


def unshare(flags: int) -> None:
    """Moves this process (for a pid namespace: its next children) into new namespaces."""
    _checked(libc().unshare(ctypes.c_int(flags)), "unshare")


def fork_sibling() -> int:
    """os.fork() whose child belongs to this process's own parent, which is told of its end and can wait for it.

    The C library has no call for this, so the interpreter is told by hand what os.fork() tells it. Only for a process
    with one thread.
    """
    python = ctypes.pythonapi
    call = ctypes.PyDLL(None, use_errno=True).syscall  # keeps the interpreter's lock, as a fork must
    call.restype = ctypes.c_long
    flags = ctypes.c_long(CLONE_PARENT | signal.SIGCHLD)
    nothing = ctypes.c_long(0)
    python.PyOS_BeforeFork()
    pid = int(call(ctypes.c_long(_SYSCALLS[machine()]["clone"]), flags, nothing, nothing, nothing, nothing))
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return _checked(pid, "clone")


def setns(descriptor: int, kind: int) -> None:
    """Enters the namespace behind `descriptor`, which must be of `kind` (a CLONE_NEW* flag)."""
    _checked(libc().setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    _checked(
        libc().mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {source} on {target}",
    )


def unmount(target: str, flags: int) -> None:
    """umount2(2)."""
    _checked(libc().umount2(os.fsencode(target), ctypes.c_int(flags)), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    number = _SYSCALLS[machine()]["pivot_root"]
    syscall(number, ctypes.c_char_p(os.fsencode(new_root)), ctypes.c_char_p(os.fsencode(put_old)))


class _MountAttributes(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def restrict_mount(target: str, attributes: int, *, recursive: bool) -> None:
    """Adds MOUNT_ATTR_* to a mount, and with `recursive` to all mounts below it (Linux 5.12)."""
    wanted = _MountAttributes(attr_set=attributes)
    syscall(
        SYS_MOUNT_SETATTR,
        AT_FDCWD,
        ctypes.c_char_p(os.fsencode(target)),
        AT_RECURSIVE if recursive else 0,
        ctypes.byref(wanted),
        ctypes.sizeof(wanted),
    )


def prctl(option: int, *arguments: int) -> int:
    """prctl(2); missing arguments are 0, as the kernel asks."""
    padded = [*arguments, 0, 0, 0, 0][:4]
    return _checked(libc().prctl(ctypes.c_int(option), *(ctypes.c_ulong(item) for item in padded)), f"prctl {option}")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def last_capability() -> int:
    """The highest capability number that this kernel knows, found as libcap finds it."""
    number = 0
    while number < 63:
        try:
            prctl(PR_CAPBSET_READ, number + 1)
        except OSError:
            return number
        number += 1
    return number


def drop_bounding_set(last: int) -> None:
    """Empties the bounding set: nothing this process runs can gain a capability again. Needs CAP_SETPCAP."""
    for number in range(last + 1):
        if prctl(PR_CAPBSET_READ, number):
            prctl(PR_CAPBSET_DROP, number)


def lock_securebits() -> None:
    """Takes root's privileges from user id 0 for good. Not before the last setuid, which it would keep from dropping
    capabilities. Needs CAP_SETPCAP."""
    prctl(PR_SET_SECUREBITS, SECURE_ALL_LOCKED)


def drop_capabilities() -> None:
    """Empties the effective, permitted, inheritable and ambient sets of this process."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = _CapabilityHeader(version=_LINUX_CAPABILITY_VERSION_3, pid=0)
    nothing = (_CapabilityData * 2)()
    syscall(_SYSCALLS[machine()]["capset"], ctypes.byref(header), nothing)


def has_no_capabilities() -> bool:
    """Whether this process has no capability and can't get one back: all of its sets and the bounding set are empty."""
    header = _CapabilityHeader(version=_LINUX_CAPABILITY_VERSION_3, pid=0)
    held = (_CapabilityData * 2)()
    syscall(_SYSCALLS[machine()]["capget"], ctypes.byref(header), held)
    if any(half.effective or half.permitted or half.inheritable for half in held):
        return False
    return not any(prctl(PR_CAPBSET_READ, number) for number in range(last_capability() + 1))


def close_all_but(kept: set[int]) -> None:
    """Closes every descriptor above 2 that is not in `kept`."""
    first = 3
    for descriptor in sorted(item for item in kept if item > 2):
        _close_range(first, descriptor - 1)
        first = descriptor + 1
    _close_range(first, 0x7FFFFFFF)


def _close_range(first: int, last: int) -> None:
    if first > last:
        return
    try:
        syscall(SYS_CLOSE_RANGE, first, last, 0)
    except OSError:
        os.closerange(first, min(last, os.sysconf("SC_OPEN_MAX") - 1) + 1)
