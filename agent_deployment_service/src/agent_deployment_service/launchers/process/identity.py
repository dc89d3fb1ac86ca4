"""Which process is meant: a pid alone may be another process's by now, a pid with its start time never is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import psutil

_GONE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid, and when that process began (on Linux the boot and the clock ticks since)."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The living process with this pid, or None."""
        started = _started(pid)
        return cls(pid, started) if started else None

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return _started(self.pid) == self.started

    def kill(self) -> bool:
        """SIGKILL, if it is still the same process; whether it was."""
        if not self.alive():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return True


def _started(pid: int) -> str:
    if sys.platform != "linux":
        try:
            return str(psutil.Process(pid).create_time())
        except psutil.Error:
            return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else f"{boot}:{fields[19]}"  # field 22 of proc_pid_stat(5)


class ProcessRecord:
    """The file that names what this launcher runs, so that the next one can end what a killed one left."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, identities: Iterable[ProcessIdentity]) -> None:
        """Replaces the record in one step."""
        rows = [{"pid": item.pid, "started": item.started} for item in identities]
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
            json.dump(rows, file)
        Path(file.name).replace(self._path)

    def read(self) -> list[ProcessIdentity]:
        """What was last written; nothing where there is no record or it is damaged."""
        try:
            rows = cast("list[dict[str, object]]", json.loads(self._path.read_text(encoding="utf-8")))
            return [ProcessIdentity(int(cast("int", row["pid"])), str(row["started"])) for row in rows]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def reap(self) -> list[int]:
        """Kills every recorded process that still runs, waits for them to be gone and returns their pids."""
        leftovers = [item for item in self.read() if item.kill()]
        deadline = time.monotonic() + _GONE_SECONDS
        while any(item.alive() for item in leftovers) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._path.unlink(missing_ok=True)
        return [item.pid for item in leftovers]
