"""Which cores a process runs on, where the system lets one say so (Linux)."""

import os
from collections.abc import Generator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager


def usable_cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def stay_on(cores: AbstractSet[int]) -> None:
    """Have this thread, and every thread and process that comes of it, run on `cores` alone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


@contextmanager
def away_from(core: int) -> Generator[None]:
    """Leave `core` to others, with every process that is started in the block, where there is another core."""
    cores = set(usable_cores())
    stay_on(cores - {core} or cores)
    try:
        yield
    finally:
        stay_on(cores)
