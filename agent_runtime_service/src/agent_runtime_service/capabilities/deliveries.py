"""The log of deliveries, written in batches: no message waits for its bookkeeping."""

import asyncio
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.capabilities.refused import RefusedDeliveries
from agent_runtime_service.capabilities.repository import DeliveryRepository
from kgents_shared.db import HotPool, new_id

_log = structlog.get_logger("kgents.runtime.deliveries")
DELIVERIES_KEPT: Final = timedelta(days=30)
_EVERY_S: Final = 0.5
_MOST_KEPT: Final = 50_000
_CLEARED_EVERY: Final = 7200  # of the batches: an hour
_COPY = (
    "COPY runtime.deliveries (owner_id, principal, from_agent_id, capability, agent_id, agent_name, run_id, why, "
    "known, healthy, refusal, routing_us, id, created_at, times) FROM STDIN"
)
_COUNT = """
INSERT INTO runtime.deliveries (owner_id, principal, from_agent_id, capability, agent_id, agent_name, run_id, why,
    known, healthy, refusal, routing_us, id, created_at, times)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET times = excluded.times
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is noted of one message to a capability; the columns of `deliveries`."""

    owner_id: str
    principal: str
    from_agent_id: UUID | None
    capability: str
    agent_id: UUID | None
    agent_name: str | None
    run_id: UUID | None
    why: str
    known: int
    healthy: int
    refusal: str | None
    routing_us: int
    id: UUID = field(default_factory=new_id)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    times: int = 1


class DeliveryLog:
    """Collects rows; `run` writes them until it is cancelled, and keeps them while the database is away.

    What a front that is killed had not written is lost: half a second of the log, and no message.
    """

    def __init__(self, pool: HotPool, repository: DeliveryRepository, kept: timedelta) -> None:
        self._pool = pool
        self._repository = repository
        self._kept = kept
        self._rows: list[Delivery] = []
        self._refused = RefusedDeliveries()

    def add(self, delivery: Delivery) -> None:
        """Note one; those that were refused are counted."""
        if delivery.refusal is not None:
            self._refused.add(delivery)
        elif len(self._rows) < _MOST_KEPT:
            self._rows.append(delivery)

    async def run(self) -> None:
        """Write what was collected twice a second, and forget now and then what is old."""
        batches = 0
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.flush()
                if batches % _CLEARED_EVERY == 0:
                    await self._repository.clear(self._kept)
                batches += 1
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                _log.warning("deliveries_wait", rows=len(self._rows), error=repr(error))

    async def close(self) -> None:
        """Write what is left, if the database lets us."""
        try:
            await self.flush()
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("deliveries_lost", rows=len(self._rows), error=repr(error))

    async def flush(self) -> None:
        """Write now."""
        await self._count()
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        try:
            async with self._pool.connection() as connection, connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                for row in rows:
                    await copy.write_row(astuple(row))
        except BaseException:
            self._rows = rows + self._rows
            raise

    async def _count(self) -> None:
        if not (refused := self._refused.take()):
            return
        try:
            async with self._pool.connection() as connection, connection.cursor() as cursor:
                await cursor.executemany(_COUNT, [astuple(row) for row in refused])
        except BaseException:
            self._refused.give_back(refused)
            raise
