"""The root folder that a sandbox sees.

The fork server builds a template once, in a mount namespace of its own: read-only code, a minimal `/etc` and `/dev`,
and empty places for what differs between instances. A child copies the namespace, fills those places and makes the
template its root, which takes a handful of calls instead of dozens.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kgents_shared.isolation import kernel

INSTANCE_INSIDE: Final = "/run/kgents/instance"
DOOR_INSIDE: Final = "/run/kgents/door"
SCRATCH_INSIDE: Final = "/scratch"
"""Each sandbox's own tmpfs. Not `/tmp`: that would hide code which lies below the host's `/tmp`."""

_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_ETC: Final = {
    "passwd": "agent:x:1000:1000::/scratch:/nonexistent\n",
    "group": "agent:x:1000:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "hostname": "sandbox\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
}
_READ_ONLY: Final = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a sandbox's own files belong to, as ids of the fork server's user namespace."""

    uid: int
    gid: int


def build_template(staging: Path, trees: list[Path], door: Path) -> None:
    """Makes the template at `staging`, an empty folder, in the calling process's own mount namespace."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", str(staging), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=1m,nr_inodes=4k")
    for tree in trees:
        _show(staging, tree)
    _write_etc(staging / "etc")
    _make_devices(staging / "dev")
    for inside in (INSTANCE_INSIDE, DOOR_INSIDE, SCRATCH_INSIDE, "/proc"):
        _place(staging, inside).mkdir(parents=True, exist_ok=True)
    _bind(door, _place(staging, DOOR_INSIDE), _READ_ONLY | kernel.MOUNT_ATTR_NODEV)
    kernel.restrict_mount(str(staging), _READ_ONLY | kernel.MOUNT_ATTR_NODEV, recursive=False)


def enter(staging: Path, instance: Path, owner: Owner, scratch_mb: int) -> bool:
    """Makes the template the root of this process, with its own instance folder and scratch.

    Returns whether `/proc` could be mounted; a kernel that hides parts of its own `/proc` refuses a new one.
    The caller is in fresh mount and pid namespaces.
    """
    _bind(instance, _place(staging, INSTANCE_INSIDE), kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV)
    kernel.mount(
        "tmpfs",
        str(_place(staging, SCRATCH_INSIDE)),
        "tmpfs",
        kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
        f"mode=700,size={scratch_mb}m,nr_inodes=8k,uid={owner.uid},gid={owner.gid}",
    )
    proc = _mount_proc(_place(staging, "/proc"))
    os.chdir(staging)
    kernel.pivot_root(".", ".")
    kernel.unmount(".", kernel.MNT_DETACH)
    os.chdir("/")
    return proc


def _mount_proc(target: Path) -> bool:
    """Process folders alone where the kernel can (Linux 5.8), which hides /proc/sys, /proc/kallsyms and the like."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    for options in ("subset=pid,hidepid=invisible", None):
        try:
            kernel.mount("proc", str(target), "proc", flags, options)
        except OSError:
            continue
        return True
    return False


def _place(staging: Path, inside: str | Path) -> Path:
    return staging / str(inside).lstrip("/")


def _show(staging: Path, tree: Path) -> None:
    target = _place(staging, tree)
    target.parent.mkdir(parents=True, exist_ok=True)
    if tree.is_symlink():
        if not target.is_symlink() and not target.exists():
            target.symlink_to(tree.readlink())
        return
    if tree.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    _bind(tree, target, _READ_ONLY | kernel.MOUNT_ATTR_NODEV)


def _bind(source: Path, target: Path, attributes: int) -> None:
    kernel.mount(str(source), str(target), None, kernel.MS_BIND | kernel.MS_REC)
    kernel.restrict_mount(str(target), attributes, recursive=True)


def _write_etc(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in _ETC.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)


def _make_devices(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in _DEVICES:
        (folder / name).touch()
        kernel.mount(f"/dev/{name}", str(folder / name), None, kernel.MS_BIND)
    for name, target in (("fd", "/proc/self/fd"), ("stderr", "/proc/self/fd/2"), ("stdout", "/proc/self/fd/1")):
        (folder / name).symlink_to(target)
