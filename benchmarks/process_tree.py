"""CPU and memory over all processes of a candidate: its roots and whatever they started."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Private (USS) and proportional (PSS) memory of one process, in bytes."""

    pid: int
    title: str
    uss: int
    pss: int


def processes_of(roots: Iterable[int]) -> Iterator[psutil.Process]:
    """The living processes of the trees below `roots`, the roots first."""
    for pid in roots:
        try:
            root = psutil.Process(pid)
            yield root
            yield from root.children(recursive=True)
        except psutil.NoSuchProcess:
            continue


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time that the trees have used, with that of children that have ended."""
    total = 0.0
    for process in processes_of(roots):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_of(roots: Iterable[int]) -> list[ProcessMemory]:
    """Memory of each process in the trees. Raises psutil.AccessDenied where the kernel doesn't show it."""
    found: list[ProcessMemory] = []
    for process in processes_of(roots):
        try:
            memory = process.memory_full_info()
            title = " ".join(process.cmdline()) or process.name()
        except psutil.NoSuchProcess:
            continue
        found.append(ProcessMemory(process.pid, title, memory.uss, memory.pss))
    return found
