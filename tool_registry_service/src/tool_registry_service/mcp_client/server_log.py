"""What a stdio server's process wrote to its standard error, and when it began and ended: bounded, over restarts."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

_KEPT_BYTES: Final = 65_536
_LINE_BYTES: Final = 2_000
_SHORTEST_SECRET: Final = 6


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line and when it came."""

    at: datetime
    text: str


@dataclass(slots=True)
class ServerLog:
    """The latest lines of one server, up to 64 KB. `secrets` are never shown: what its entry's environment holds."""

    secrets: Collection[str] = ()
    starts: int = 0
    pid: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_end: str | None = None
    lines: deque[LogLine] = field(default_factory=deque[LogLine])
    _size: int = 0
    _part: bytes = b""

    def started(self, pid: int) -> None:
        """A process of the server began."""
        self.starts += 1
        self.pid, self.started_at = pid, datetime.now(UTC)
        self._part = b""

    def ended(self, how: str) -> None:
        """It is over."""
        self._line(self._part)
        self._part = b""
        self.pid, self.ended_at, self.last_end = None, datetime.now(UTC), how

    def wrote(self, data: bytes) -> None:
        """Take what the process wrote."""
        *whole, self._part = (self._part + data).split(b"\n")
        for line in whole:
            self._line(line)
        while len(self._part) > _LINE_BYTES:
            self._line(self._part[:_LINE_BYTES])
            self._part = self._part[_LINE_BYTES:]

    @property
    def last_words(self) -> str:
        """The last line of the process that runs or ran last; empty where it wrote none."""
        unfinished = self._shown(self._part)
        if unfinished:
            return unfinished
        since = self.started_at
        latest = self.lines[-1] if self.lines else None
        return latest.text if latest is not None and since is not None and latest.at >= since else ""

    def _line(self, raw: bytes) -> None:
        text = self._shown(raw)
        if not text:
            return
        self.lines.append(LogLine(datetime.now(UTC), text))
        self._size += len(text)
        while self._size > _KEPT_BYTES:
            self._size -= len(self.lines.popleft().text)

    def _shown(self, raw: bytes) -> str:
        text = raw[:_LINE_BYTES].decode("utf-8", "replace").replace("\x00", "�").strip()
        for secret in self.secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return text
