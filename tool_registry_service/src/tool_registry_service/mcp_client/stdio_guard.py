"""The first thing in the process of a stdio server: it ties its life to the platform's, shuts it in, and execs it.

Run as `python -I -S stdio_guard.py OPTIONS argv...`, from the standard library alone; OPTIONS is a JSON object:

- `parent`: the pid of the platform, which it must not outlive; null where something between them sees to that.
- `groups`: folders of control groups to join.
- `isolate`: null, or `{"network", "shown", "writable", "links", "hidden", "scratch_mb"}`: the command gets user,
  mount, pid and ipc namespaces, and a network namespace with nothing in it unless `network`. Its root folder is made
  of `shown` and `writable` (pairs of a place and the file or folder that is seen there), `links` (pairs of a place and
  where it leads), /dev with the harmless devices, /dev/shm for itself, and /proc. What is `hidden` is covered wherever
  it shows.
- `port`: where the command finds the HTTP proxy on its loopback; 0 for none. The listening socket is made here, in the
  command's network, and given to the platform through the descriptor that KGENTS_LISTENER names.
- `limits`: resource limits by their names in the module `resource`.
- `filter`: the system call filter, compressed and in base64.

Exit code 97 says that the kernel doesn't allow that.
"""

import base64
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

REFUSED = 97
LISTENER = "KGENTS_LISTENER"
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_NEW_ROOT = "/tmp"  # noqa: S108 -- what is there is covered, in a mount namespace of its own
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MNT_DETACH = 2
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


class _Kernel:
    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def prctl(self, option: int, *values: int) -> None:
        padded = [*values, 0, 0, 0, 0][:4]
        self._done(self._libc.prctl(option, *(ctypes.c_ulong(value) for value in padded)), "prctl")

    def unshare(self, flags: int) -> None:
        self._done(self._libc.unshare(flags), "unshare")

    def mount(self, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        words = (os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
        self._done(self._libc.mount(*words), f"mount on {target}")

    def mark(self, target: str, *, add: int = 0, clear: int = 0, recursive: bool = False) -> None:
        """mount_setattr(2), Linux 5.12."""
        wanted = _MountAttributes(attr_set=add, attr_clr=clear)
        self._done(
            self._libc.syscall(
                ctypes.c_long(_SYS_MOUNT_SETATTR),
                ctypes.c_long(_AT_FDCWD),
                os.fsencode(target),
                ctypes.c_long(_AT_RECURSIVE if recursive else 0),
                ctypes.byref(wanted),
                ctypes.c_long(ctypes.sizeof(wanted)),
            ),
            f"mount_setattr of {target}",
        )

    def pivot_root(self) -> None:
        """Make this folder the root, and let go of the old one."""
        number = _PIVOT_ROOT.get(os.uname().machine)
        if number is None:
            raise OSError(f"the number of pivot_root on {os.uname().machine} is not known")
        self._done(self._libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
        self._done(self._libc.umount2(b".", _MNT_DETACH), "umount of the old root")

    def filter_calls(self, code: bytes) -> None:
        buffer = ctypes.create_string_buffer(code, len(code))
        program = _Program(len(code) // 8, ctypes.addressof(buffer))
        self.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))

    @staticmethod
    def _done(code: int, what: str) -> None:
        if code != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")


def main(arguments: list[str]) -> int:
    """Never returns where the command could be started."""
    options = json.loads(arguments[0])
    kernel = _Kernel()
    if options["parent"] is not None:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != options["parent"]:
            return 1
    try:
        for folder in options["groups"]:
            Path(folder, "cgroup.procs").write_text("0", encoding="ascii")
        if options["isolate"] is not None:
            kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
            code = _isolate(kernel, options)
            if code is not None:
                return code
        _restrict(kernel, options)
    except OSError as error:
        sys.stderr.write(f"this kernel doesn't let a stdio server be shut in: {error}\n")
        return REFUSED
    os.execve(arguments[1], arguments[1:], dict(os.environ))  # noqa: S606 -- that is what it is for
    return 1


def _restrict(kernel: _Kernel, options: dict[str, Any]) -> None:
    """What holds for the command itself, whatever it is shut in by."""
    announce = os.environ.pop(LISTENER, None) if options["port"] else None
    if announce is not None:
        _listen(int(announce), options["port"])
    if options["isolate"] is not None:
        # Root would keep its capabilities over this namespace through execve, and take the mounts off what is hidden.
        for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii")) + 1):
            kernel.prctl(_PR_CAPBSET_DROP, capability)
    if options["limits"]:
        for name, value in options["limits"].items():
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (most, most))
    if options["filter"]:
        kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
        kernel.filter_calls(zlib.decompress(base64.b64decode(options["filter"])))


def _listen(announce: int, port: int) -> None:
    """Give the platform a socket that listens on this network's loopback."""
    with socket.socket() as listener:
        request = bytearray(struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(listener, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("16sh", request)[1]
        if not flags & _IFF_UP:
            fcntl.ioctl(listener, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        with socket.socket(fileno=announce) as channel:
            socket.send_fds(channel, [b"listener"], [listener.fileno()])


def _isolate(kernel: _Kernel, options: dict[str, Any]) -> int | None:
    """None in the process that is to become the command; its exit code in the one that waits for it."""
    isolate = options["isolate"]
    user, group = os.getuid(), os.getgid()
    kernel.unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWIPC | (0 if isolate["network"] else _NEWNET))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    kernel.mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    ends_with_the_waiting_one, held_by_the_waiting_one = os.pipe()
    child = os.fork()
    if child == 0:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(held_by_the_waiting_one)
        # It may have died before that was asked for; its pid says nothing within the new namespace.
        if _is_at_its_end(ends_with_the_waiting_one):
            return 1
        os.close(ends_with_the_waiting_one)
        _move_to_new_root(kernel, isolate)
        return None
    os.closerange(0, ends_with_the_waiting_one)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _move_to_new_root(kernel: _Kernel, isolate: dict[str, Any]) -> None:
    # Opened first: the new root covers a folder of the old one.
    shown = [(place, os.open(file, os.O_PATH)) for place, file in isolate["shown"]]
    writable = [(place, os.open(file, os.O_PATH)) for place, file in isolate["writable"]]
    devices = [(f"/dev/{name}", os.open(f"/dev/{name}", os.O_PATH)) for name in _DEVICES]
    kernel.mount("tmpfs", _NEW_ROOT, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=4m,mode=0755")
    for place, descriptor in shown:
        _show(kernel, _NEW_ROOT + place, descriptor, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
    for place, leads_to in isolate["links"]:
        Path(_NEW_ROOT + place).symlink_to(leads_to)
    for place, descriptor in writable:
        _show(kernel, _NEW_ROOT + place, descriptor, _ATTR_NOSUID | _ATTR_NODEV)
    _make_devices(kernel, devices, isolate["scratch_mb"])
    proc = Path(_NEW_ROOT, "proc")
    proc.mkdir(exist_ok=True)
    # The processes outside are not to be seen there, nor is root's to tell the kernel how to be.
    kernel.mount("proc", str(proc), "proc", _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for path in isolate["hidden"]:
        covered = _NEW_ROOT + path
        if Path(covered).is_dir():
            kernel.mount("tmpfs", covered, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=1m,mode=0700")
        elif Path(covered).exists():
            kernel.mount(f"{_NEW_ROOT}/dev/null", covered, "", _MS_BIND)
    kernel.mark(_NEW_ROOT, add=_ATTR_RDONLY)
    os.chdir(_NEW_ROOT)
    kernel.pivot_root()
    os.chdir("/")


def _show(kernel: _Kernel, place: str, descriptor: int, attributes: int) -> None:
    """Have what is behind `descriptor` seen at `place`."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        Path(place).mkdir(parents=True, exist_ok=True)
    elif not Path(place).exists():
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).touch()
    kernel.mount(f"/proc/self/fd/{descriptor}", place, "", _MS_BIND | _MS_REC)
    kernel.mark(place, add=attributes, recursive=True)
    os.close(descriptor)


def _make_devices(kernel: _Kernel, devices: list[tuple[str, int]], scratch_mb: int) -> None:
    folder = Path(_NEW_ROOT, "dev")
    folder.mkdir(exist_ok=True)
    kernel.mount("tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NOEXEC, "size=64k,mode=0755")
    for place, descriptor in devices:
        _show(kernel, _NEW_ROOT + place, descriptor, _ATTR_NOSUID)
    for name, leads_to in _LINKS.items():
        (folder / name).symlink_to(leads_to)
    scratch = folder / "shm"
    scratch.mkdir()
    kernel.mark(str(folder), add=_ATTR_RDONLY)
    kernel.mount("tmpfs", str(scratch), "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={scratch_mb}m,mode=0700")


def _is_at_its_end(pipe: int) -> bool:
    """Whether nobody holds the other end any more."""
    poll = select.poll()
    poll.register(pipe, select.POLLHUP)
    return bool(poll.poll(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
