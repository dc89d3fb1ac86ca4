"""The first thing in the process of a stdio server: it ties its life to the platform's, shuts it in, and execs it.

Run as `python -I -S stdio_guard.py '{"parent": 123, "isolate": true, "network": false, "hidden": [...]}' argv...`,
from the standard library alone. With `isolate` the command gets user, mount, pid and ipc namespaces, without
`network` a network namespace that has nothing in it, and `hidden` folders are empty to it. Exit 97 says that the
kernel doesn't allow that.
"""

import ctypes
import json
import os
import select
import signal
import sys
from pathlib import Path

REFUSED = 97
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18


class _Kernel:
    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def prctl(self, option: int, value: int) -> None:
        self._done(self._libc.prctl(option, value, 0, 0, 0), "prctl")

    def unshare(self, flags: int) -> None:
        self._done(self._libc.unshare(flags), "unshare")

    def mount(self, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        self._done(self._libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()), "mount")

    @staticmethod
    def _done(code: int, what: str) -> None:
        if code != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")


def main(arguments: list[str]) -> int:
    """Never returns where the command could be started."""
    options = json.loads(arguments[0])
    kernel = _Kernel()
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != options["parent"]:
        return 1
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if options["isolate"]:
        try:
            code = _isolate(kernel, network=options["network"], hidden=options["hidden"])
        except OSError as error:
            sys.stderr.write(f"this kernel doesn't let a stdio server be shut in: {error}\n")
            return REFUSED
        if code is not None:
            return code
    os.execve(arguments[1], arguments[1:], dict(os.environ))  # noqa: S606 -- that is what it is for
    return 1


def _isolate(kernel: _Kernel, *, network: bool, hidden: list[str]) -> int | None:
    """None in the process that is to become the command; its exit code in the one that waits for it."""
    user, group = os.getuid(), os.getgid()
    kernel.unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWIPC | (0 if network else _NEWNET))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    kernel.mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    for path in hidden:
        if Path(path).is_dir():
            kernel.mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=1m,mode=0700")
        elif Path(path).exists():
            kernel.mount("/dev/null", path, "", _MS_BIND)
    ends_with_the_waiting_one, held_by_the_waiting_one = os.pipe()
    child = os.fork()
    if child == 0:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(held_by_the_waiting_one)
        # It may have died before that was asked for; its pid says nothing within the new namespace.
        if _is_at_its_end(ends_with_the_waiting_one):
            return 1
        # Within the new namespace the processes outside are not to be seen.
        kernel.mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        # Root would keep its capabilities over this namespace through execve, and take the mounts off what is hidden.
        for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii")) + 1):
            kernel.prctl(_PR_CAPBSET_DROP, capability)
        return None
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _is_at_its_end(pipe: int) -> bool:
    """Whether nobody holds the other end any more."""
    poll = select.poll()
    poll.register(pipe, select.POLLHUP)
    return bool(poll.poll(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
