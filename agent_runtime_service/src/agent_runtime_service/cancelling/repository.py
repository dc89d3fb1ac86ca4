"""All SQL of cancelled runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from agent_runtime_service.execution.active import ActiveRun, RunEnd, Usage
from agent_runtime_service.execution.events import run_event
from kgents_shared.db import HotPool, new_id

_FIND = """
SELECT id, conversation_id, owner_id, principal, agent_id, agent_name, version, request_text, timeout_s, usage
FROM runtime.runs
WHERE id = %(run_id)s AND owner_id = ANY(%(owner_ids)s) AND status IN ('queued', 'running', 'waiting_approval')
"""
# What drives it has a stale epoch from here on. Its key stays taken: who sends the request again is told of this run.
_CANCEL = """
WITH run AS (
    UPDATE runtime.runs SET status = 'cancelled', epoch = epoch + 1, error = %(error)s::jsonb, ended_at = now(),
        lease_expires_at = now(), waiting_since = NULL, stopping = status <> 'queued'
    WHERE id = %(run_id)s AND status IN ('queued', 'running', 'waiting_approval') RETURNING id, conversation_id
), event AS (
    INSERT INTO runtime.outbox (id, subject, body) SELECT %(event_id)s, %(subject)s, %(event)s::jsonb FROM run
), steps AS (
    UPDATE runtime.steps SET in_context = false FROM run
    WHERE steps.conversation_id = run.conversation_id AND steps.run_id = run.id
)
SELECT id FROM run
"""
_CANCELLED = "SELECT id FROM runtime.runs WHERE id = ANY(%(run_ids)s) AND status = 'cancelled'"
_STOPPING = """
SELECT id, owner_id, ended_at < now() - interval '2 seconds' FROM runtime.runs WHERE stopping AND id > %(after)s
ORDER BY id LIMIT 100
"""
# The questions that its agent had put to others: each is a run under the key of the call that asked it; one to a
# capability has a key of its own, and is known by what the call waits for, or by its origin a moment later.
_ASKED = """
WITH asking AS (
    SELECT idempotency_key, awaited_run_id FROM runtime.tool_calls
    WHERE run_id = %(run_id)s AND state IN ('dispatched', 'waiting')
)
SELECT id, owner_id FROM runtime.runs WHERE status IN ('queued', 'running', 'waiting_approval') AND (
    idempotency_key IN (SELECT idempotency_key FROM asking) OR id IN (
        SELECT awaited_run_id FROM asking UNION ALL SELECT run_id FROM runtime.run_origins
        WHERE asked_by_run = %(run_id)s AND asked_by_key IN (SELECT idempotency_key FROM asking)
    )
)
"""
_SETTLE = """
WITH calls AS (
    UPDATE runtime.tool_calls SET state = coalesce(%(states)s::jsonb ->> tool_call_id, 'cancelled'), ended_at = now()
    WHERE run_id = %(run_id)s AND state IN ('dispatched', 'waiting')
)
UPDATE runtime.runs SET stopping = false WHERE id = %(run_id)s
"""


@dataclass(frozen=True, slots=True)
class StoppingRun:
    """A cancelled run; `is_quiet` once nobody can have begun anything for it that its front didn't know of."""

    run_id: UUID
    owner_id: str
    is_quiet: bool


class CancelledRuns:
    """Cancels runs, and keeps which of them still have something under way."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def open_run(self, owner_ids: Collection[str], run_id: UUID) -> ActiveRun | None:
        """One of the owners' runs that has not ended."""
        rows = await self._rows(_FIND, {"owner_ids": sorted(owner_ids), "run_id": run_id})
        if not rows:
            return None
        *told, usage = rows[0]
        run = ActiveRun(*told)
        run.usage = Usage.from_json(usage)
        return run

    async def cancel(self, run: ActiveRun, end: RunEnd) -> bool:
        """Store that a run is cancelled, with the event that tells of it; False where it has ended meanwhile."""
        event_id, fault = new_id(), end.fault
        error = None if fault is None else {"code": fault.code, "detail": fault.detail, "status": fault.status}
        values = {
            "run_id": run.run_id,
            "error": orjson.dumps(error).decode(),
            "event_id": event_id,
            "subject": f"kgents.runtime.run.{end.status}",
            "event": run_event(event_id, run, end),
        }
        return bool(await self._rows(_CANCEL, values))

    async def cancelled_of(self, run_ids: Sequence[UUID]) -> list[UUID]:
        """Those of these runs that are cancelled."""
        return [row[0] for row in await self._rows(_CANCELLED, {"run_ids": run_ids})]

    async def stopping(self, after: UUID) -> list[StoppingRun]:
        """Some of the cancelled runs that may have something under way, those that come after this one."""
        return [StoppingRun(*row) for row in await self._rows(_STOPPING, {"after": after})]

    async def asked_by(self, run_id: UUID) -> list[tuple[UUID, str]]:
        """The open runs, each with its owner, that answer a question of this one."""
        return [(row[0], row[1]) for row in await self._rows(_ASKED, {"run_id": run_id})]

    async def settle(self, run_id: UUID, states: Mapping[str, str]) -> None:
        """Store what became of the calls that were under way, by their ids; nothing of the run goes on any more."""
        values = {"run_id": run_id, "states": orjson.dumps(states).decode()}
        async with self._pool.connection() as connection:
            await connection.execute(_SETTLE, values)

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()
