"""All SQL of a tool call: plain statements on a pool of their own, since they stand on a message's path."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from kgents_shared.contracts.tools import InvokeToolRequest, SideEffect, ToolPrice
from kgents_shared.db import HotPool
from tool_registry_service.calls import CallableTool
from tool_registry_service.mcp_client.targets import ServerRow, ServerTarget

_FINISH_PAUSES_S = (0.1, 0.3, 1.0, 2.0, 4.0)

_TOOL = """
SELECT t.id, t.kind, t.remote_name, t.state, t.definition_hash, t.side_effect, t.input_schema, t.output_schema,
       t.definition, s.id, s.name, s.transport, s.url, s.command, s.args, s.credential_ref, s.owner_id,
       s.headers, s.oauth, s.oauth_ref
FROM tools.tools t LEFT JOIN tools.mcp_servers s ON s.id = t.server_id
WHERE t.owner_id = %s AND t.name = %s
"""
_CLAIM = """
INSERT INTO tools.invocations (id, owner_id, principal, agent_id, agent_name, agent_version, run_id, conversation_id,
    tool_call_id, idempotency_key, tool, arguments, fingerprint, runner, outcome, started_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'running', %s)
ON CONFLICT (owner_id, idempotency_key) DO NOTHING RETURNING id
"""
_STORED = """
SELECT id, fingerprint, runner, outcome, is_error, result, approval_id, cost, cost_currency
FROM tools.invocations WHERE owner_id = %s AND idempotency_key = %s
"""
_FINISH = """
UPDATE tools.invocations AS call SET outcome = %s, is_error = %s, result = %s, result_bytes = %s, latency_ms = %s,
    side_effect = %s, denied_by = %s::json, ended_at = now(), (cost, cost_currency) = (
        SELECT amount, currency FROM tools.tool_costs
        WHERE %s AND owner_id = call.owner_id AND tool = call.tool)
WHERE id = %s AND runner = %s AND outcome = 'running' RETURNING cost, cost_currency
"""
_WAIT = """
UPDATE tools.invocations SET outcome = 'waiting_approval', approval_id = %s, side_effect = %s, result = %s
WHERE id = %s AND runner = %s AND outcome = 'running' RETURNING id
"""
_GO_ON = """
UPDATE tools.invocations SET outcome = 'running', runner = %s
WHERE id = %s AND outcome = 'waiting_approval' RETURNING id
"""
_TAKE_OVER = (
    "UPDATE tools.invocations SET runner = %s WHERE id = %s AND runner = %s AND outcome = 'running' RETURNING id"
)
# A call that waits for a person is made by nobody, and so it ends here.
_STOP_WAITING = """
UPDATE tools.invocations SET outcome = 'cancelled', is_error = true, result = %(said)s,
    result_bytes = octet_length(%(said)s), latency_ms = 0, ended_at = now()
WHERE run_id = %(run_id)s AND outcome = 'waiting_approval'
"""
_STOP_RUNNING = "UPDATE tools.invocations SET stop_asked = true WHERE run_id = %(run_id)s AND outcome = 'running'"
_CALLS_OF = "SELECT id, tool_call_id, outcome, runner FROM tools.invocations WHERE run_id = %s"
_ASKED_TO_STOP = "SELECT id FROM tools.invocations WHERE id = ANY(%s) AND stop_asked"
_CHANGED = """
UPDATE tools.tools SET state = 'changed', updated_at = now()
WHERE owner_id = %s AND name = %s AND definition_hash = %s AND state = 'active'
"""


@dataclass(frozen=True, slots=True)
class NewInvocation:
    """A call that is about to be made; `arguments` are masked."""

    id: UUID
    call: InvokeToolRequest
    arguments: dict[str, Any]
    fingerprint: str
    runner: UUID
    started_at: datetime


@dataclass(frozen=True, slots=True)
class StoredInvocation:
    """What is known of a call; with an `approval_id` a person was asked about it."""

    id: UUID
    fingerprint: str
    runner: UUID
    outcome: str
    is_error: bool | None
    result: str | None
    approval_id: UUID | None
    cost: ToolPrice | None


@dataclass(frozen=True, slots=True)
class CallOfRun:
    """One of a run's calls, and how it stands."""

    id: UUID
    tool_call_id: str
    outcome: str
    runner: UUID


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended; one that `went_out` has cost what its tool costs."""

    outcome: str
    is_error: bool
    result: str
    result_bytes: int
    latency_ms: float
    side_effect: SideEffect | None = None
    denied_by: dict[str, Any] | None = None
    went_out: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A call whose end is stored, with what it cost."""

    cost: ToolPrice | None


class InvocationRepository:
    """Calls and what they need to know of their tool, filtered by owner."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def tool(self, owner_id: str, name: str) -> CallableTool | None:
        """The owner's tool of this full name, whatever its state."""
        row = await self._one(_TOOL, (owner_id, name))
        if row is None:
            return None
        (tool_id, kind, remote_name, state, definition_hash, side_effect, input_schema, output_schema, definition,
         *server) = row  # fmt: skip
        return CallableTool(
            name=name, kind=kind, remote_name=remote_name, state=state, definition_hash=definition_hash,
            side_effect=side_effect, input_schema=input_schema, output_schema=output_schema, id=tool_id,
            owner_id=owner_id, target=_target(server), definition=definition,
        )  # fmt: skip

    async def claim(self, new: NewInvocation) -> bool:
        """Write the row of a call; False where one with this key is there already."""
        call = new.call
        values = (
            new.id, call.owner_id, call.principal, call.agent_id, call.agent_name, call.agent_version, call.run_id,
            call.conversation_id, call.tool_call_id, call.idempotency_key, call.name, json.dumps(new.arguments),
            new.fingerprint, new.runner, new.started_at,
        )  # fmt: skip
        return await self._one(_CLAIM, values) is not None

    async def stored(self, owner_id: str, idempotency_key: str) -> StoredInvocation | None:
        """The call of this key."""
        row = await self._one(_STORED, (owner_id, idempotency_key))
        return None if row is None else StoredInvocation(*row[:7], cost=_price(row[7:]))

    async def finish(self, invocation_id: UUID, runner: UUID, ending: Ending) -> Finished | None:
        """Store how a call ended; None where `runner` no longer has it."""
        values = (
            ending.outcome, ending.is_error, ending.result, ending.result_bytes, ending.latency_ms,
            ending.side_effect, None if ending.denied_by is None else json.dumps(ending.denied_by), ending.went_out,
            invocation_id, runner,
        )  # fmt: skip
        for pause_s in _FINISH_PAUSES_S:
            try:
                return _finished(await self._one(_FINISH, values))
            except (psycopg.OperationalError, PoolTimeout):
                # The call was made: its result must not be lost to a database that is starting again.
                await asyncio.sleep(pause_s)
        return _finished(await self._one(_FINISH, values))

    async def take_over(self, invocation_id: UUID, *, from_runner: UUID, to_runner: UUID) -> bool:
        """Make a dead runner's call one's own; False where another was first."""
        return await self._one(_TAKE_OVER, (to_runner, invocation_id, from_runner)) is not None

    async def wait(
        self,
        invocation_id: UUID,
        runner: UUID,
        approval_id: UUID | None,
        side_effect: SideEffect | None,
        so_far: str | None,
    ) -> bool:
        """Store that a call waits, for this approval or without one for another agent; False where `runner` lost it."""
        return await self._one(_WAIT, (approval_id, side_effect, so_far, invocation_id, runner)) is not None

    async def go_on(self, invocation_id: UUID, runner: UUID) -> bool:
        """Take up a call that waited, as `runner`; False where another was first."""
        return await self._one(_GO_ON, (runner, invocation_id)) is not None

    async def ask_to_stop(self, run_id: UUID, said: str) -> None:
        """Store that the calls of a run are to end; those that wait for a person do, with what is `said`."""
        values = {"run_id": run_id, "said": said}
        async with self._pool.connection() as connection:
            await connection.execute(_STOP_WAITING, values)
            await connection.execute(_STOP_RUNNING, values)

    async def asked_to_stop(self, invocation_ids: Collection[UUID]) -> list[UUID]:
        """Those of these calls that are to end."""
        return [row[0] for row in await self._rows(_ASKED_TO_STOP, (list(invocation_ids),))]

    async def calls_of(self, run_id: UUID) -> list[CallOfRun]:
        """Every call of a run."""
        return [CallOfRun(*row) for row in await self._rows(_CALLS_OF, (run_id,))]

    async def switch_off(self, owner_id: str, name: str, definition_hash: str) -> None:
        """Mark a tool whose server no longer has the pinned definition."""
        async with self._pool.connection() as connection:
            await connection.execute(_CHANGED, (owner_id, name, definition_hash))

    async def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, values)  # pyright: ignore[reportArgumentType]
            return await cursor.fetchall()

    async def _one(self, query: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, values)  # pyright: ignore[reportArgumentType]
            return await cursor.fetchone()


def _finished(row: tuple[Any, ...] | None) -> Finished | None:
    return None if row is None else Finished(_price(row))


def _price(columns: tuple[Any, ...]) -> ToolPrice | None:
    amount, currency = columns
    return None if amount is None else ToolPrice(amount=f"{amount:f}", currency=currency)


def _target(server: list[Any]) -> ServerTarget | None:
    return None if server[0] is None else ServerRow(*server).target
