"""When agents were last talked to: noted in memory at each run, and written down every few seconds."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.execution.active import ActiveRuns
from kgents_shared.db import HotPool

_log = structlog.get_logger("kgents.runtime.activity")
_EVERY_S: Final = 5.0
_WRITE = """
INSERT INTO runtime.agent_activity AS known (agent_id, last_run_at)
SELECT * FROM unnest(%(agents)s::uuid[], %(times)s::timestamptz[])
ON CONFLICT (agent_id) DO UPDATE SET last_run_at = greatest(known.last_run_at, excluded.last_run_at)
"""
_READ = "SELECT agent_id, last_run_at FROM runtime.agent_activity WHERE agent_id = ANY(%(agents)s)"


class AgentActivity:
    """What this front knows of its own runs, over what all fronts have written."""

    def __init__(self, pool: HotPool, runs: ActiveRuns) -> None:
        self._pool = pool
        self._runs = runs
        self._unwritten: dict[UUID, datetime] = {}

    async def keep(self) -> None:
        """Endless: write down what is new."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.write_down()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                _log.warning("activity_not_written", error=repr(error))

    async def last_runs(self, agent_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When the newest run of each began; without those that had none."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_READ, {"agents": list(agent_ids)})
            found: dict[UUID, datetime] = {row[0]: row[1] for row in await cursor.fetchall()}
        for known in (self._unwritten, self._runs.seen):
            found |= {agent_id: known[agent_id] for agent_id in agent_ids if agent_id in known}
        return found

    async def write_down(self) -> None:
        """Write what is new; it is kept where the database is away."""
        self._unwritten |= self._runs.take_seen()
        if not self._unwritten:
            return
        written = dict(self._unwritten)
        values = {"agents": list(written), "times": list(written.values())}
        async with self._pool.connection() as connection:
            await connection.execute(_WRITE, values)
        self._unwritten = {key: at for key, at in self._unwritten.items() if written.get(key) != at}
