"""Runs as their owner reads them. All SQL here is filtered by owners."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agent_runtime_service.execution.active import RunFault
from kgents_shared.db import HotPool

_COLUMNS = """
    run.id, run.conversation_id, run.agent_name, run.version, run.status, run.usage, run.error, run.started_at,
    run.ended_at, run.request_hash, final.payload->>'text', final.seq
    FROM runtime.runs AS run LEFT JOIN runtime.steps AS final
        ON final.conversation_id = run.conversation_id AND final.run_id = run.id AND final.kind = 'final'
"""
_FIND = f"SELECT {_COLUMNS} WHERE run.owner_id = ANY(%(owner_ids)s) AND run.id = %(run_id)s"
_BY_KEY = (
    f"SELECT {_COLUMNS} WHERE run.owner_id = %(owner_id)s AND run.agent_id = %(agent_id)s "
    "AND run.idempotency_key = %(key)s"
)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run with its answer; times are aware."""

    run_id: UUID
    conversation_id: UUID
    agent_name: str
    version: int
    status: str
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    started_at: datetime | None
    ended_at: datetime | None
    request_hash: bytes | None
    text: str | None
    final_seq: int | None

    @property
    def fault(self) -> RunFault | None:
        """The stored error as a caller is told it."""
        if self.error is None:
            return None
        status = int(self.error["status"])
        return RunFault(self.error["code"], self.error["detail"], status, 1 if status == 503 else None)


class RunRepository:
    """Reads `runs`."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, owner_ids: Collection[str], run_id: UUID) -> StoredRun | None:
        """The run of that id, if it is one of the owners'."""
        return await self._one(_FIND, {"owner_ids": sorted(owner_ids), "run_id": run_id})

    async def by_key(self, owner_id: str, agent_id: UUID, key: str) -> StoredRun | None:
        """The owner's run of an agent that came with that Idempotency-Key."""
        return await self._one(_BY_KEY, {"owner_id": owner_id, "agent_id": agent_id, "key": key})

    async def _one(self, statement: str, values: dict[str, Any]) -> StoredRun | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            row = await cursor.fetchone()
        return StoredRun(*row) if row is not None else None
