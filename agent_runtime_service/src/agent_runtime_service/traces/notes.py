"""What is noted of runs beside their own path: what led to them, and what went wrong on their way."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from kgents_shared.db import HotPool, new_id

_log = structlog.get_logger("kgents.runtime.traces")
_EVERY_S: Final = 0.5
_MOST_KEPT: Final = 10_000
_FORGET_EVERY_S: Final = 600.0
_BATCH: Final = 1_000
_FIRST: Final = UUID(int=0)
_ORIGIN = """
INSERT INTO runtime.run_origins AS kept (run_id, asked_by_run, asked_by_key, traceparent)
VALUES (%(run_id)s, %(asked_by_run)s, %(asked_by_key)s, %(traceparent)s)
ON CONFLICT (run_id) DO UPDATE SET asked_by_run = coalesce(kept.asked_by_run, EXCLUDED.asked_by_run),
    asked_by_key = coalesce(kept.asked_by_key, EXCLUDED.asked_by_key),
    traceparent = coalesce(kept.traceparent, EXCLUDED.traceparent)
"""
# The run may be gone by now.
# Found by its key, which begins with a time: of what is older, what is gone already is passed over once a start.
_FORGET = """
UPDATE runtime.model_calls SET prompt = NULL, prompt_of = NULL, prompt_head = NULL, prompt_tail = NULL
WHERE id IN (
    SELECT id FROM runtime.model_calls WHERE id >= %(after)s AND id < %(before)s AND prompt IS NOT NULL
    ORDER BY id LIMIT %(most)s
)
"""
_INCIDENT = """
INSERT INTO runtime.run_incidents (id, run_id, kind, detail, at)
SELECT %(id)s, id, %(kind)s, %(detail)s, %(at)s FROM runtime.runs WHERE id = %(run_id)s ON CONFLICT (id) DO NOTHING
"""


class RunNotes:
    """Collects rows; `run` writes them until it is cancelled, and keeps them while the database is away.

    What there is no room for is not noted: a trace says less then, and no run waits.
    """

    def __init__(self, pool: HotPool, tell_end: Callable[[UUID], None]) -> None:
        self._pool = pool
        self.ended = tell_end  # who wants to know of each run that this front saw the end of
        self._origins: list[dict[str, object]] = []
        self._incidents: list[dict[str, object]] = []

    def came_from(
        self,
        run_id: UUID,
        *,
        asked_by_run: UUID | None = None,
        asked_by_key: str | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Note what led to a run: another run, the call of a tool with that key, or a trace that began elsewhere."""
        if len(self._origins) < _MOST_KEPT:
            led: dict[str, object] = {
                "asked_by_run": asked_by_run,
                "asked_by_key": asked_by_key,
                "traceparent": traceparent,
            }
            self._origins.append({"run_id": run_id, **led})

    def went_wrong(self, run_id: UUID, kind: str, detail: str) -> None:
        """Note what went wrong in a run that goes on."""
        if len(self._incidents) < _MOST_KEPT:
            row: dict[str, object] = {
                "id": new_id(),
                "run_id": run_id,
                "kind": kind,
                "detail": detail,
                "at": datetime.now(UTC),
            }
            self._incidents.append(row)

    async def run(self) -> None:
        """Write what was collected, twice a second."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.flush()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                _log.warning("notes_wait", rows=len(self._origins) + len(self._incidents), error=repr(error))

    async def forget_prompts(self, kept_days: float) -> None:
        """Endless: what was sent to models is kept for so many days."""
        after = _FIRST
        while True:
            before = _first_id_of(datetime.now(UTC) - timedelta(days=kept_days))
            values = {"after": after, "before": before, "most": _BATCH}
            async with self._pool.connection() as connection:
                forgotten = (await connection.execute(_FORGET, values)).rowcount
            if forgotten < _BATCH:
                after = before
                await asyncio.sleep(_FORGET_EVERY_S)

    async def close(self) -> None:
        """Write what is left, if the database lets us."""
        try:
            await self.flush()
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("notes_lost", rows=len(self._origins) + len(self._incidents), error=repr(error))

    async def flush(self) -> None:
        """Write now."""
        origins, incidents = len(self._origins), len(self._incidents)
        if not origins and not incidents:
            return
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            if origins:
                await cursor.executemany(_ORIGIN, self._origins[:origins])
                del self._origins[:origins]
            if incidents:
                await cursor.executemany(_INCIDENT, self._incidents[:incidents])
                del self._incidents[:incidents]


def _first_id_of(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment (RFC 9562 §5.7)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
