"""Runs as their owner reads them. All SQL here is filtered by owners."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from agent_runtime_service.execution.active import AwaitedApproval, RunFault
from agent_runtime_service.execution.statements import AWAITED_CALLS
from agent_runtime_service.runs.schemas import RunSummary
from kgents_shared.contracts.worker import ToolCall
from kgents_shared.db import HotPool, PageRequest, id_in

# What a run waits for, itself or for the answer of another agent's run that waits.
_AWAITED = f"""
        WITH RECURSIVE waiting (id) AS (
            SELECT run.id
            {AWAITED_CALLS}
        SELECT json_agg(json_build_array(approval_id, name, approval_expires_at) ORDER BY created_at, tool_call_id)
        FROM awaited
"""  # noqa: S608 -- our constants
_COLUMNS = f"""
    run.id, run.conversation_id, run.agent_name, run.version, run.status, run.usage, run.error, run.created_at,
    run.started_at, run.ended_at, run.request_hash, final.payload->>'text', final.seq, run.failed_tries,
    coalesce(json_typeof(run.request_extras->'answer_schema') = 'object', false), final.payload->'tool_calls',
    CASE WHEN run.status = 'waiting_approval' THEN (
        {_AWAITED}
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


# A list names no text: what a run said is found by its conversation, one at a time.
_PAGE = """
SELECT id, conversation_id, agent_name, version, status, usage, error, created_at, started_at, ended_at
FROM runtime.runs
WHERE owner_id = ANY(%(owner_ids)s) AND (%(after)s::uuid IS NULL OR id < %(after)s)
    AND (%(agent_id)s::uuid IS NULL OR agent_id = %(agent_id)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(conversation_id)s::uuid IS NULL OR conversation_id = %(conversation_id)s)
    AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
ORDER BY id DESC LIMIT %(limit)s
"""
_STEPS = """
SELECT seq, payload::text FROM runtime.steps
WHERE conversation_id = %(conversation_id)s AND run_id = %(run_id)s AND seq > %(after)s
    AND kind IN ('assistant', 'tool')
ORDER BY seq
"""
# What changes whenever there is something new to tell of a run.
_MARKS = f"""
SELECT id, concat_ws(' ', status, epoch, jsonb_array_length(failed_tries),
    CASE WHEN status = 'waiting_approval' THEN ({_AWAITED})::text END
), (
    SELECT coalesce(max(seq), 0) FROM runtime.steps WHERE steps.conversation_id = run.conversation_id
) FROM runtime.runs AS run WHERE id = ANY(%(run_ids)s)
"""  # noqa: S608 -- our constants


@dataclass(frozen=True, slots=True)
class RunMark:
    """How far a run is: its state as a text, and the place of the last step of its conversation."""

    state: str
    seq: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant; None leaves a question out."""

    agent_id: UUID | None = None
    status: str | None = None
    conversation_id: UUID | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run with its answer, which is JSON where it `is_formed`; times are aware."""

    run_id: UUID
    conversation_id: UUID
    agent_name: str
    version: int
    status: str
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    request_hash: bytes | None
    text: str | None
    final_seq: int | None
    failed_tries: list[dict[str, Any]] | None
    is_formed: bool
    calls: tuple[ToolCall, ...]
    approvals: tuple[AwaitedApproval, ...]

    @property
    def output(self) -> Any:
        """What the answer says, where it was asked for in a form; else None."""
        return output_of(self.text) if self.is_formed and self.text is not None else None

    @property
    def fault(self) -> RunFault | None:
        """The stored error as a caller is told it."""
        if self.error is None:
            return None
        status = int(self.error["status"])
        return RunFault(self.error["code"], self.error["detail"], status, 1 if status == 503 else None)


def output_of(text: str) -> Any:
    """What an answer says that was asked for in a form."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


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

    async def page(self, owner_ids: Collection[str], wanted: RunFilter, request: PageRequest) -> list[RunSummary]:
        """`limit + 1` runs of the owners', newest first."""
        values = {
            **asdict(wanted),
            "owner_ids": sorted(owner_ids),
            "after": None if request.after is None else id_in(request.after),
            "limit": request.limit + 1,
        }
        return [
            RunSummary(
                run_id=row[0], conversation_id=row[1], agent=row[2], version=row[3], status=row[4], usage=row[5],
                error=row[6], created_at=row[7], started_at=row[8], ended_at=row[9],
            )
            for row in await self._rows(_PAGE, values)
        ]  # fmt: skip

    async def steps(self, run: StoredRun, after: int) -> list[tuple[int, bytes]]:
        """The place and the JSON of each step of a run behind this place: what its model asked for, what came of it."""
        values = {"conversation_id": run.conversation_id, "run_id": run.run_id, "after": after}
        return [(row[0], row[1].encode()) for row in await self._rows(_STEPS, values)]

    async def marks(self, run_ids: Collection[UUID]) -> dict[UUID, RunMark]:
        """By run, what is another one whenever there is something new to tell of it."""
        return {row[0]: RunMark(row[1], row[2]) for row in await self._rows(_MARKS, {"run_ids": list(run_ids)})}

    async def began_by(self, owner_id: str, conversation_id: UUID) -> tuple[str, tuple[UUID, ...]] | None:
        """Who began an owner's conversation: the subject, and the agents that led to it; None where there is none."""
        values = {"owner_id": owner_id, "conversation_id": conversation_id}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_BEGAN_BY, values)).fetchone()
        return None if row is None else (row[0], tuple(row[1]))

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()

    async def _one(self, statement: str, values: dict[str, Any]) -> StoredRun | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            row = await cursor.fetchone()
        if row is None:
            return None
        *fields, calls, awaited = row
        approvals = tuple(_approval(*values) for values in awaited or ())
        return StoredRun(*fields, calls=tuple(ToolCall(**call) for call in calls or ()), approvals=approvals)


def _approval(approval_id: str, tool: str, expires_at: str) -> AwaitedApproval:
    return AwaitedApproval(UUID(approval_id), tool, datetime.fromisoformat(expires_at))
