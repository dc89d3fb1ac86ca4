"""What a sandboxed process uses, as the kernel counts it: by its control groups, or by itself where it has none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from agent_deployment_service.launchers.process.limits import GROUP_PREFIX
from agent_deployment_service.launchers.protocol import Usage
from kgents_shared.isolation.cgroups import groups_of

_GROUPS: Final = Path("/sys/fs/cgroup")
_MEGABYTE: Final = 1024 * 1024
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def usage_of(pid: int) -> Usage | None:
    """What the process and its children use; None once it is gone.

    Memory of a process without a group of its own counts what it shares with the fork server.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        resident = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
        groups = _folders_of(pid)
    except (OSError, IndexError):
        return None
    ticks = sum(int(field) for field in fields[11:15])  # utime, stime, and those of ended children
    memory = _number(groups, "memory", "memory.current", "memory.usage_in_bytes")
    return Usage(
        cpu_s=ticks / _TICKS,
        memory_mb=round((resident * _PAGE if memory is None else memory) / _MEGABYTE, 1),
        processes=_number(groups, "pids", "pids.current", "pids.current"),
    )


def _folders_of(pid: int) -> dict[str, Path]:
    """Controller → folder of the group that the fork server made; version 2 has one, under the empty name."""
    made = {name: path for name, path in groups_of(pid).items() if f"/{GROUP_PREFIX}" in f"/{path}"}
    return {name: _GROUPS / name / path for name, path in made.items()}


def _number(groups: dict[str, Path], controller: str, unified: str, older: str) -> int | None:
    for folder, file in ((groups.get(controller), older), (groups.get(""), unified)):
        if folder is not None:
            try:
                return int((folder / file).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
    return None
