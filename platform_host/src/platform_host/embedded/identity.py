"""Which process a recorded pid meant: pids are used again, a pid with its start time is not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid and a mark of its start: boot id and clock ticks on Linux, seconds since the epoch elsewhere."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The process that has this pid now; None when there is none or it has ended."""
        started = _start_mark(pid)
        return None if started is None else cls(pid, started)

    def alive(self) -> bool:
        """Whether this very process still runs (one that ended but wasn't waited for does not)."""
        return _start_mark(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal this process, never another that has its pid by now."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _start_mark(pid: int) -> str | None:
    if sys.platform != "linux":
        return _start_mark_portable(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    if fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{fields[19]}"


def _start_mark_portable(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.2f}"
    except psutil.Error:
        return None


async def end_process(identity: ProcessIdentity, gently: signal.Signals, patience: float) -> bool:
    """Signal `identity`, wait `patience` seconds, then kill it. True if it was still running when called."""
    if not identity.alive():
        return False
    identity.send(gently)
    if not await _gone(identity, patience):
        identity.send(signal.SIGKILL)
        await _gone(identity, patience)
    return True


async def _gone(identity: ProcessIdentity, patience: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while identity.alive():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
