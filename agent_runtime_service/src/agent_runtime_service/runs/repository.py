"""Runs as their owner reads them. All SQL here is filtered by owners."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agent_runtime_service.execution.active import AwaitedApproval, RunFault
from kgents_shared.db import HotPool

_COLUMNS = """
    run.id, run.conversation_id, run.agent_name, run.version, run.status, run.usage, run.error, run.started_at,
    run.ended_at, run.request_hash, final.payload->>'text', final.seq,
    CASE WHEN run.status = 'waiting_approval' THEN (
        SELECT json_agg(json_build_array(approval_id, name, approval_expires_at) ORDER BY created_at, tool_call_id)
        FROM runtime.tool_calls WHERE run_id = run.id AND state = 'waiting'
    ) END
    FROM runtime.runs AS run LEFT JOIN runtime.steps AS final
        ON final.conversation_id = run.conversation_id AND final.run_id = run.id AND final.kind = 'final'
"""
_FIND = f"SELECT {_COLUMNS} WHERE run.owner_id = ANY(%(owner_ids)s) AND run.id = %(run_id)s"
_BY_KEY = (
    f"SELECT {_COLUMNS} WHERE run.owner_id = %(owner_id)s AND run.agent_id = %(agent_id)s "
    "AND run.idempotency_key = %(key)s"
)
# The run that began a conversation says whose question it was.
_BEGAN_BY = """
SELECT run.principal, run.hops FROM runtime.steps AS step JOIN runtime.runs AS run ON run.id = step.run_id
WHERE step.conversation_id = %(conversation_id)s AND step.seq = 1 AND run.owner_id = %(owner_id)s
"""


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
    approvals: tuple[AwaitedApproval, ...]

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

    async def began_by(self, owner_id: str, conversation_id: UUID) -> tuple[str, tuple[UUID, ...]] | None:
        """Who began an owner's conversation: the subject, and the agents that led to it; None where there is none."""
        values = {"owner_id": owner_id, "conversation_id": conversation_id}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_BEGAN_BY, values)).fetchone()
        return None if row is None else (row[0], tuple(row[1]))

    async def _one(self, statement: str, values: dict[str, Any]) -> StoredRun | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            row = await cursor.fetchone()
        if row is None:
            return None
        *fields, awaited = row
        return StoredRun(*fields, approvals=tuple(_approval(*values) for values in awaited or ()))


def _approval(approval_id: str, tool: str, expires_at: str) -> AwaitedApproval:
    return AwaitedApproval(UUID(approval_id), tool, datetime.fromisoformat(expires_at))
