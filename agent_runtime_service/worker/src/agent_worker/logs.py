"""JSON lines on stderr: the deployment service keeps them as the agent's log."""

import asyncio
import logging
import os
from datetime import UTC, datetime
from typing import Any

import orjson

_STDERR = 2
_SOON_S = 0.05
_held: list[bytes] = []


def write_log(level: str, event: str, **fields: Any) -> None:
    """Write one line: `timestamp`, `level`, `event` and the fields."""
    os.write(_STDERR, _taken() + _line(level, event, fields))


def write_log_soon(level: str, event: str, **fields: Any) -> None:
    """The same for what happens hundreds of times a second: such lines are written together, a moment later."""
    if not _held:
        asyncio.get_running_loop().call_later(_SOON_S, _write_held)
    _held.append(_line(level, event, fields))


def _write_held() -> None:
    if held := _taken():
        os.write(_STDERR, held)


def _taken() -> bytes:
    """What is held, and no longer: libraries log from threads, and what can't be written must not pile up."""
    taken = _held.copy()
    del _held[: len(taken)]
    return b"".join(taken)


def _line(level: str, event: str, fields: dict[str, Any]) -> bytes:
    line = {"timestamp": datetime.now(UTC), "level": level, "event": event, **fields}
    return orjson.dumps(line, default=str) + b"\n"


class _JsonLines(logging.Handler):
    """Sends what libraries log the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info is not None:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
        write_log(record.levelname.lower(), record.getMessage(), **fields)


def take_over_logging() -> None:
    """Route the standard library's loggers (aiohttp's, asyncio's) through `write_log`."""
    root = logging.getLogger()
    root.handlers[:] = [_JsonLines()]
    root.setLevel(logging.WARNING)
