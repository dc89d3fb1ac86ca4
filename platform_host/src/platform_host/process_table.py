"""Which processes belong to this host, written to `run/host.json` for `kgents server status` and the next start.

`host.json`: {"pid", "started" (mark), "started_at" (RFC 3339), "state", "version", "home", "url", "private_url",
"door", "ports": {…}, "processes": [{"role", "pid", "started", "agent", "state"}, …]}.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from platform_host.embedded.identity import ProcessIdentity, end_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Role = Literal["host", "worker", "forkserver", "postgres", "nats"]
_REFRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process. `agent` is the agent's name for a worker; `started` tells it from a later one with its pid."""

    role: Role
    pid: int
    started: str
    agent: str | None
    state: str


def process_row(role: Role, pid: int | None, state: str, agent: str | None = None) -> ProcessRow | None:
    """A row for a process that runs; None for one that doesn't."""
    identity = None if pid is None else ProcessIdentity.of(pid)
    return None if identity is None else ProcessRow(role, identity.pid, identity.started, agent, state)


class HostRecord:
    """Keeps `run/host.json` true while the host runs. `facts` are the fields that don't change by themselves."""

    def __init__(self, path: Path, rows: Callable[[], Iterable[ProcessRow]]) -> None:
        self._path = path
        self._rows = rows
        self._written = ""
        self.facts: dict[str, Any] = {}

    def write(self) -> None:
        """Write the file if anything changed. Not synced: after a power cut it means nothing anyway."""
        text = json.dumps({**self.facts, "processes": [asdict(row) for row in self._rows()]})
        if text == self._written:
            return
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(self._path)
        self._written = text

    async def keep(self) -> None:
        """Write it again whenever a process came or went; endless."""
        while True:
            await asyncio.to_thread(self.write)
            await asyncio.sleep(_REFRESH_S)

    def remove(self) -> None:
        """Take the file away: nothing runs any more."""
        self._path.unlink(missing_ok=True)


def recorded_rows(path: Path) -> list[ProcessRow]:
    """The rows that an earlier host left in `path`; none where it ended in order."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        rows = cast("list[dict[str, Any]]", record["processes"])
        return [
            ProcessRow(row["role"], int(row["pid"]), str(row["started"]), row["agent"], row["state"]) for row in rows
        ]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []


async def end_left_over(rows: Sequence[ProcessRow]) -> list[ProcessRow]:
    """End the workers and fork servers among `rows` that still run; the servers see to their own leftovers."""
    ours = [row for row in rows if row.role in ("worker", "forkserver")]
    ended = await asyncio.gather(
        *(end_process(ProcessIdentity(row.pid, row.started), signal.SIGTERM, 1.0) for row in ours)
    )
    return [row for row, was_running in zip(ours, ended, strict=True) if was_running]
