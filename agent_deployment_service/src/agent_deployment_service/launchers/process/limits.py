"""Resource limits of one sandboxed process, by setrlimit(2)."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MEGABYTE: Final = 1024 * 1024
MAX_PROCESSES: Final = 64
"""Processes and threads of a sandbox that isn't told otherwise."""
GROUP_PREFIX: Final = "kgents-"
"""How the names of the fork servers' control groups begin."""
MAX_OPEN_FILES: Final = 4096
MAX_FILE_MB: Final = 64
_ADDRESS_HEADROOM_MB: Final = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one instance may use. `cpus` are kept by a control group alone."""

    memory_mb: int
    cpus: float = 1.0
    processes: int = MAX_PROCESSES

    @property
    def scratch_mb(self) -> int:
        """Size of the scratch folder, which counts as memory."""
        return max(4, min(MAX_FILE_MB, self.memory_mb // 4))


@dataclass(frozen=True, slots=True)
class Pool:
    """What all children of one fork server may use together; None is whatever the machine has. Kept by control groups
    alone."""

    memory_mb: int | None = None
    cpus: float | None = None


NO_POOL: Final = Pool()


def apply_limits(limits: Limits) -> None:
    """Sets the limits on this process and all that it forks.

    Data and address space count from what the process has already, since a forked child starts with all of the
    fork server's (shared) memory: `memory_mb` is what it may add.
    """
    address_space, data = _used_bytes()
    budget = limits.memory_mb * _MEGABYTE
    _lower(resource.RLIMIT_DATA, data + budget)
    _lower(resource.RLIMIT_AS, address_space + budget + _ADDRESS_HEADROOM_MB * _MEGABYTE)
    _lower(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, MAX_FILE_MB * _MEGABYTE)
    _lower(resource.RLIMIT_CORE, 0)
    for name in ("RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_RTPRIO", "RLIMIT_NICE"):
        if hasattr(resource, name):
            _lower(getattr(resource, name), 0)


def limit_processes(most: int) -> None:
    """Bounds processes and threads. Only in a user namespace or with a user id of the worker's own: the kernel counts
    by both, and a limit set before the namespace is made would count all of its siblings too."""
    _lower(resource.RLIMIT_NPROC, most)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (limit, limit))


def _used_bytes() -> tuple[int, int]:
    """Address space and data of this process as the kernel counts them; zeros where it doesn't say."""
    found = {"VmSize": 0, "VmData": 0}
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0, 0
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) * 1024
    return found["VmSize"], found["VmData"]
