"""JSON lines on stderr: the deployment service keeps them as the agent's log."""

import logging
import os
from datetime import UTC, datetime
from typing import Any

import orjson

_STDERR = 2


def write_log(level: str, event: str, **fields: Any) -> None:
    """Write one line: `timestamp`, `level`, `event` and the fields."""
    line = {"timestamp": datetime.now(UTC), "level": level, "event": event, **fields}
    os.write(_STDERR, orjson.dumps(line, default=str) + b"\n")


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
