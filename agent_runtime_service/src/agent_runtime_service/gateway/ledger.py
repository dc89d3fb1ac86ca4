"""Model calls, written to the database in batches: no message waits for its bookkeeping."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from kgents_shared.db import HotPool, new_id

_log = structlog.get_logger("kgents.runtime.ledger")
_EVERY_S = 0.5
_MOST_KEPT = 50_000
_COPY = (
    "COPY runtime.model_calls (id, run_id, owner_id, agent_id, purpose, provider, model, prompt_tokens, "
    "completion_tokens, estimated, tries, duration_ms, error, created_at) FROM STDIN"
)


@dataclass(frozen=True, slots=True)
class Booking:
    """Whose model call it is, and of which model: a run's of an agent, or one for a `purpose` beside all runs."""

    owner_id: str
    provider: str
    model: str
    run_id: UUID | None = None
    agent_id: UUID | None = None
    purpose: str | None = None


class ModelCallLedger:
    """Collects rows; `run` writes them until it is cancelled, and keeps them while the database is away."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool
        self._rows: list[tuple[object, ...]] = []

    def add(
        self, booking: Booking, tokens: tuple[int, int, bool], *, tries: int, duration_s: float, error: str | None
    ) -> None:
        """Note one model call."""
        if len(self._rows) >= _MOST_KEPT:
            return
        whose = (booking.run_id, booking.owner_id, booking.agent_id, booking.purpose, booking.provider, booking.model)
        self._rows.append(
            (new_id(), *whose, *tokens, tries, round(duration_s * 1000), error, datetime.now(UTC)),
        )

    async def run(self) -> None:
        """Write what was collected, twice a second."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.flush()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                _log.warning("model_calls_wait", rows=len(self._rows), error=repr(error))

    async def close(self) -> None:
        """Write what is left, if the database lets us."""
        try:
            await self.flush()
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("model_calls_lost", rows=len(self._rows), error=repr(error))

    async def flush(self) -> None:
        """Write now."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        try:
            async with self._pool.connection() as connection, connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                for row in rows:
                    await copy.write_row(row)
        except BaseException:
            self._rows = rows + self._rows
            raise
