"""What can be reached from where this runs, as JSON: `python -I locked_out.py '{"port": …, …}'`.

Each of `tries` says what came of it: the error, or what was reached. Nothing that works does any harm.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def tried(what: Callable[[], Any]) -> str:
    """What came of it."""
    try:
        return str(what() or "reached")
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)


def connected(family: int, address: Any) -> None:
    """Connect."""
    with socket.socket(family, socket.SOCK_STREAM) as there:
        there.settimeout(2)
        there.connect(address)


def opened(path: str, how: int) -> None:
    """Open a file, and do nothing with it."""
    os.close(os.open(path, how))


def called(name: str, *arguments: Any) -> None:
    """A function of the C library that must give 0."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def others() -> str:
    """The command lines and environments of processes that are not this one or of its own making."""
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            for file in ("cmdline", "environ"):
                try:
                    found.append((folder / file).read_bytes().decode("utf-8", "replace"))
                except OSError as error:
                    found.append(str(error.strerror))
    return "\n".join(found)


def main(told: dict[str, Any]) -> None:
    """Try everything."""
    tries: dict[str, Callable[[], Any]] = {
        "loopback": lambda: connected(socket.AF_INET, ("127.0.0.1", told["port"])),
        "loopback 6": lambda: connected(socket.AF_INET6, ("::1", told["port"])),
        "own address": lambda: connected(socket.AF_INET, (told["address"], told["port"])),
        "metadata": lambda: connected(socket.AF_INET, ("169.254.169.254", 80)),
        "unix socket": lambda: connected(socket.AF_UNIX, told["socket"]),
        "abstract socket": lambda: connected(socket.AF_UNIX, "\0" + told["abstract"]),
        "host of the machine": lambda: connected(socket.AF_VSOCK, (2, 1)),
        "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
        "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "hidden folder": lambda: Path(told["hidden"], "admin.json").read_text(encoding="utf-8"),
        "hidden file": lambda: Path(told["file"]).read_text(encoding="utf-8") or "nothing",
        "another's file": lambda: Path(told["outside"], "notes.txt").read_text(encoding="utf-8"),
        "passwords": lambda: Path("/etc/shadow").read_text(encoding="utf-8"),
        "homes": lambda: [str(entry) for entry in Path("/home").iterdir()],
        "the platform's code": lambda: Path(told["code"]).read_text(encoding="utf-8") and None,
        "writes outside": lambda: Path(told["outside"], "made").write_text("x", encoding="utf-8"),
        "writes where it may": lambda: Path(told["writable"], "made").write_text("x", encoding="utf-8"),
        "writes in its scratch": lambda: Path(os.environ["TMPDIR"], "made").write_text("x", encoding="utf-8"),
        "kernel settings": lambda: opened("/proc/sys/kernel/core_pattern", os.O_WRONLY),
        "kernel keys": lambda: opened("/proc/sysrq-trigger", os.O_WRONLY),
        "disk": lambda: opened(told["device"], os.O_RDONLY),
        "makes a device": lambda: os.mknod(Path(told["writable"], "disk"), 0o60600, os.makedev(7, 0)),
        "mounts": lambda: called("mount", b"none", told["writable"].encode(), b"tmpfs", 0, None),
        "uncovers": lambda: called("umount2", told["hidden"].encode(), 2),
        "new namespaces": lambda: called("unshare", 0x10000000),
        "looks into its parent": lambda: called("ptrace", 16, os.getppid(), None, None),
        "another root": lambda: os.chroot(told["writable"]),
        "its own programs": lambda: subprocess.run(["/bin/true"], check=True) and None,
    }
    found = {name: tried(what) for name, what in tries.items()}
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    kept = {name: status[name] for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
    sys.stdout.write(json.dumps({"tries": found, "others": others(), "status": kept, "environment": dict(os.environ)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
