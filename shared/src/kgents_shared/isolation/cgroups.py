"""Control groups of what is shut in, v1 or v2, where this process may make them.

`CgroupTree.find()` looks for a place once; each instance then gets a group per hierarchy. Where nothing is writable
(an ordinary user without delegation) there is no tree, and whoever asked says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_ROOT: Final = Path("/sys/fs/cgroup")
Controller = Literal["memory", "pids", "cpu"]
_MOST: Final[tuple[Controller, ...]] = ("memory", "pids")
_CPU_PERIOD_US: Final = 100_000
_REMOVAL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class CgroupTree:
    """Where the groups of one process's children are made: controller → folder. v2 has one folder for all."""

    folders: dict[Controller, Path]
    unified: bool

    @classmethod
    def find(cls, name: str, controllers: Sequence[Controller] = _MOST) -> CgroupTree | None:
        """Makes an empty tree called `name` where possible, clearing what an earlier server left there.

        `controllers` are those that it should have, of `memory`, `pids` and `cpu`; it may get fewer.
        """
        if (_ROOT / "cgroup.controllers").exists():
            return _find_unified(name, controllers)
        folders: dict[Controller, Path] = {}
        own = groups_of("self")
        for controller in controllers:
            if controller in own and _made_empty(folder := _ROOT / controller / own[controller] / name):
                folders[controller] = folder
        return cls(folders, unified=False) if folders else None

    @staticmethod
    def sweep(prefix: str) -> None:
        """Removes trees called `<prefix>-<pid>-…` of processes that are gone, which could not do it themselves."""
        own = set(groups_of("self").values())
        hierarchies = [folder for folder in (_ROOT, *_ROOT.iterdir()) if folder.is_dir()] if _ROOT.is_dir() else []
        for hierarchy in hierarchies:
            for folder in {found for path in own for found in (hierarchy / path).glob(f"{prefix}-*-*")}:
                pid = folder.name.removeprefix(f"{prefix}-").partition("-")[0]
                if pid.isdecimal() and not Path("/proc", pid).exists() and _made_empty(folder):
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    def create(self, name: str, *, processes: int) -> CgroupOfInstance:
        """Makes the groups of one child with at most so many processes and threads; OSError when the kernel refuses."""
        folders = {folder / name for folder in self.folders.values()}
        group = CgroupOfInstance(tuple(sorted(folders)), frozenset(self.folders))
        for folder in group.folders:
            folder.mkdir(exist_ok=True)
        if "pids" in self.folders:
            _write(self.folders["pids"] / name / "pids.max", str(processes))
        return group

    def limit(
        self, group: CgroupOfInstance, *, memory_mb: int, cpus: float | None = None, processes: int | None = None
    ) -> None:
        """Sets what the group's processes may use together, before they run anything that isn't ours."""
        if "pids" in self.folders and processes is not None:
            _write(self._of(group, "pids") / "pids.max", str(processes))
        if "memory" in self.folders:
            self._limit_memory(self._of(group, "memory"), memory_mb * 1024 * 1024)
        if "cpu" in self.folders and cpus is not None:
            self._limit_cpus(self._of(group, "cpu"), cpus)

    def limit_all(self, *, memory_mb: int | None, cpus: float | None) -> None:
        """Sets what all groups of the tree may use together."""
        if "memory" in self.folders and memory_mb is not None:
            self._limit_memory(self.folders["memory"], memory_mb * 1024 * 1024, ends_together=False)
        if "cpu" in self.folders and cpus is not None:
            self._limit_cpus(self.folders["cpu"], cpus)

    def _of(self, group: CgroupOfInstance, controller: Controller) -> Path:
        return next(item for item in group.folders if item.parent == self.folders[controller])

    def _limit_cpus(self, folder: Path, cpus: float) -> None:
        quota = int(cpus * _CPU_PERIOD_US)
        if self.unified:
            _write(folder / "cpu.max", f"{quota} {_CPU_PERIOD_US}")
        else:
            _write(folder / "cpu.cfs_period_us", str(_CPU_PERIOD_US))
            _write(folder / "cpu.cfs_quota_us", str(quota))

    def _limit_memory(self, folder: Path, size: int, *, ends_together: bool = True) -> None:
        if self.unified:
            _write(folder / "memory.max", str(size))
            if ends_together:
                _write(folder / "memory.oom.group", "1")  # half a sandbox is of no use to anyone
            with contextlib.suppress(OSError):  # kernels without swap accounting have no such file
                _write(folder / "memory.swap.max", "0")
            return
        _write(folder / "memory.limit_in_bytes", str(size))
        with contextlib.suppress(OSError):
            _write(folder / "memory.memsw.limit_in_bytes", str(size))

    def remove(self) -> None:
        """Removes the tree; its instances are gone already."""
        for folder in set(self.folders.values()):
            _made_empty(folder)
            with contextlib.suppress(OSError):
                folder.rmdir()


@dataclass(frozen=True, slots=True)
class CgroupOfInstance:
    """The groups that one instance's processes are in; `controllers` are those that are on."""

    folders: tuple[Path, ...]
    controllers: frozenset[Controller]

    def join(self) -> None:
        """Moves the calling process in; its children follow."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", "0")

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for want of memory."""
        for folder in self.folders:
            for file in ("memory.events", "memory.oom_control"):
                for line in _read(folder / file).splitlines():
                    if line.startswith("oom_kill ") and int(line.split()[1]) > 0:
                        return True
        return False

    def remove(self) -> None:
        """Ends what is left inside and removes the groups."""
        for folder in self.folders:
            _remove(folder)


def _find_unified(name: str, controllers: Sequence[Controller]) -> CgroupTree | None:
    wanted = " ".join(f"+{controller}" for controller in controllers)
    own = groups_of("self").get("", "")
    parents = [_ROOT / own]
    if own:
        parents.append((_ROOT / own).parent)  # systemd's DelegateSubgroup= leaves the delegated group one above
    for parent in parents:
        try:
            _write(parent / "cgroup.subtree_control", wanted)
            folder = parent / name
            if not _made_empty(folder):
                continue
            _write(folder / "cgroup.subtree_control", wanted)
        except OSError:
            continue
        return CgroupTree(dict.fromkeys(controllers, folder), unified=True)
    return None


def groups_of(process: int | Literal["self"]) -> dict[str, str]:
    """Controller → path of a process's group below the hierarchy's root; v2 is under the empty name."""
    groups: dict[str, str] = {}
    for line in _read(Path(f"/proc/{process}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path.strip("/")
    return groups


def _made_empty(folder: Path) -> bool:
    try:
        folder.mkdir(exist_ok=True)
        for child in folder.iterdir():
            if child.is_dir():
                _remove(child)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        for line in _read(folder / "cgroup.procs").splitlines():
            if int(line) > 0:  # 0 is a process outside this pid namespace, which its own server ends
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(int(line), signal.SIGKILL)
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.005)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
