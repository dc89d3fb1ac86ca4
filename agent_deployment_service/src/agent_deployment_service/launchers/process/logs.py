"""What workers write on stderr, kept in one bounded file per agent.

The worker writes into a pipe, not into the file: it can neither fill the disk nor touch older lines. What comes faster
than a worker has a right to is dropped, and the file says how much.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

MAX_FILE_BYTES: Final = 2 * 1024 * 1024
"""Size at which a file is put aside; one older file is kept."""
BYTES_PER_SECOND: Final = 128 * 1024
BURST_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 64 * 1024
_TAIL_BLOCK: Final = 64 * 1024

_log = structlog.get_logger(__name__)


class AgentLogs:
    """The log files of all agents: `<agent_id>.log` and `<agent_id>.log.1`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, agent_id: UUID) -> Path:
        """The newest file of an agent."""
        return self._folder / f"{agent_id}.log"

    def prepare(self) -> None:
        """Makes the folder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def tail(self, agent_id: UUID, lines: int) -> list[str]:
        """The newest lines, oldest first; over both files where the newest is too short."""
        return await asyncio.to_thread(self._tail, agent_id, lines)

    def _tail(self, agent_id: UUID, lines: int) -> list[str]:
        newest = self.path(agent_id)
        found = _last_lines(newest, lines)
        if len(found) < lines:
            found = _last_lines(_rotated(newest), lines - len(found)) + found
        return found

    async def delete(self, agent_id: UUID) -> None:
        """Removes an agent's files."""
        newest = self.path(agent_id)
        for path in (newest, _rotated(newest)):
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _rotated(path: Path) -> Path:
    return path.with_suffix(".log.1")


def _last_lines(path: Path, count: int) -> list[str]:
    if count <= 0:
        return []
    try:
        with path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            data = b""
            while position > 0 and data.count(b"\n") <= count:
                step = min(_TAIL_BLOCK, position)
                position = file.seek(position - step)
                data = file.read(step) + data
    except FileNotFoundError:
        return []
    return data.decode("utf-8", "replace").splitlines()[-count:]


class LogPipe:
    """Reads one worker's pipe and appends to the agent's file until the last writer is gone."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._allowance = float(BURST_BYTES)
        self._refilled_at = clock()
        self._dropped = 0
        self._closed = False
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)

    def open(self) -> None:
        """Starts reading, on the running event loop."""
        asyncio.get_running_loop().add_reader(self._reader, self._read)

    def close_writer(self) -> None:
        """Closes this process's copy of the writing end, once the worker has it."""
        os.close(self.writer)

    def close(self) -> None:
        """Takes what is left in the pipe and stops reading. Safe to call twice."""
        while not self._closed:
            if not self._read():
                self._end()

    def _read(self) -> bool:
        try:
            data = os.read(self._reader, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._end()
            return False
        self._append(self._allowed(data))
        return True

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)

    def _allowed(self, data: bytes) -> bytes:
        now = self._clock()
        self._allowance = min(BURST_BYTES, self._allowance + (now - self._refilled_at) * BYTES_PER_SECOND)
        self._refilled_at = now
        if len(data) > self._allowance:
            self._dropped += len(data)
            return b""
        self._allowance -= len(data)
        if self._dropped:
            data = f"\n[{self._dropped} bytes dropped: the agent wrote too fast]\n".encode() + data
            self._dropped = 0
        return data

    def _append(self, data: bytes) -> None:
        if not data:
            return
        try:
            with self._path.open("ab") as file:
                file.write(data)
                size = file.tell()
            if size > MAX_FILE_BYTES:
                self._path.replace(_rotated(self._path))
        except OSError as error:  # a full disk must not stop the agent; its lines are lost, and this says so
            _log.warning("agent_log_not_written", path=str(self._path), error=str(error))
