"""Where the host's log goes: stderr, and `logs/server.log` unless that is what stderr already is."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from kgents_shared.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from platform_host.config import HostSettings

_LIMIT = 16 * 1024 * 1024


@contextmanager
def host_logging(settings: HostSettings) -> Generator[None]:
    """Send every log to its places while the block runs."""
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    path = settings.paths.logs / "server.log"
    if _is_stderr(path):
        yield
        return
    if path.exists() and path.stat().st_size > _LIMIT:
        path.replace(path.with_suffix(".log.1"))
    handler = logging.FileHandler(path, encoding="utf-8")
    path.chmod(0o600)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


def _is_stderr(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stderr.fileno()))
    except (OSError, ValueError):
        return False
