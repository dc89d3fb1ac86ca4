"""Runs as the protocol's tasks are read. All SQL here is filtered by owners."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from agent_runtime_service.execution.active import AwaitedApproval
from agent_runtime_service.execution.statements import AWAITED_CALLS
from kgents_shared.db import Cursor, HotPool, foreign_cursor
from kgents_shared.db.pages import decode_cursor, encode_cursor

# When the status became what it is.
_SINCE: Final = """
    coalesce(run.ended_at, CASE WHEN run.status = 'waiting_approval' THEN run.waiting_since END, run.started_at,
        run.created_at)
"""
_TASK: Final = f"""
    run.id, run.conversation_id, run.status, run.error->>'detail', run.idempotency_key,
    CASE WHEN %(with_questions)s THEN run.request_text END,
    CASE WHEN %(with_answers)s THEN (
        SELECT payload->>'text' FROM runtime.steps
        WHERE steps.conversation_id = run.conversation_id AND steps.run_id = run.id AND kind = 'final'
    ) END,
    CASE WHEN run.status = 'waiting_approval' THEN (
        WITH RECURSIVE waiting (id) AS (
            SELECT run.id
            {AWAITED_CALLS}
        SELECT json_agg(json_build_array(approval_id, name, approval_expires_at) ORDER BY created_at, tool_call_id)
        FROM awaited
    ) END
"""  # noqa: S608 -- our constants
_FIND: Final = f"""
SELECT {_SINCE}, {_TASK} FROM runtime.runs AS run WHERE run.owner_id = ANY(%(owner_ids)s) AND run.id = %(run_id)s
"""  # noqa: S608 -- our constants
# All of an agent's are looked at for their number, which the protocol wants told.
_PAGE: Final = f"""
WITH mine AS (
    SELECT run.id, {_SINCE} AS since FROM runtime.runs AS run
    WHERE run.owner_id = ANY(%(owner_ids)s) AND run.agent_id = %(agent_id)s
        AND (%(conversation_id)s::uuid IS NULL OR run.conversation_id = %(conversation_id)s)
        AND (%(status)s::text IS NULL OR run.status = %(status)s)
        AND (%(since)s::timestamptz IS NULL OR {_SINCE} >= %(since)s)
), page AS (
    SELECT id, since FROM mine
    WHERE %(after_since)s::timestamptz IS NULL OR (since, id) < (%(after_since)s, %(after_id)s::uuid)
    ORDER BY since DESC, id DESC LIMIT %(limit)s
)
SELECT (SELECT count(*) FROM mine), page.since, {_TASK}
FROM (SELECT) AS always LEFT JOIN (page JOIN runtime.runs AS run USING (id)) ON true
ORDER BY page.since DESC, run.id DESC
"""  # noqa: S608 -- our constants


@dataclass(frozen=True, slots=True)
class TasksWanted:
    """Which tasks of an agent are listed; None leaves a question out. What was asked and answered, where wanted."""

    agent_id: UUID
    conversation_id: UUID | None = None
    status: str | None = None
    since: datetime | None = None
    with_questions: bool = False
    with_answers: bool = False


@dataclass(frozen=True, slots=True)
class StoredTask:
    """One run as a task; `since` is when its status became what it is. `key` is its Idempotency-Key."""

    since: datetime
    run_id: UUID
    conversation_id: UUID
    status: str
    fault: str | None
    key: str | None
    question: str | None
    answer: str | None
    approvals: tuple[AwaitedApproval, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks, how many there are in all, and where the next page begins ("" where there is none)."""

    tasks: list[StoredTask]
    total: int
    next_token: str


class TaskRepository:
    """Reads runs as tasks."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, owner_ids: Collection[str], run_id: UUID) -> StoredTask | None:
        """The run of that id, if it is one of the owners'."""
        values = {"owner_ids": sorted(owner_ids), "run_id": run_id, "with_questions": True, "with_answers": True}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_FIND, values)).fetchone()
        return None if row is None else _task(row)

    async def page(self, owner_ids: Collection[str], wanted: TasksWanted, size: int, token: str) -> TaskPage:
        """The tasks whose status changed last come first. Raises `InvalidInput` for a token of another list."""
        after = _place(decode_cursor(token)) if token else (None, None)
        values = {
            **asdict(wanted),
            "owner_ids": sorted(owner_ids),
            "after_since": after[0],
            "after_id": after[1],
            "limit": size + 1,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_PAGE, values)).fetchall()
        tasks = [_task(row[1:]) for row in rows if row[1] is not None]
        shown = tasks[:size]
        last = shown[-1] if len(tasks) > size else None
        next_token = "" if last is None else encode_cursor((last.since.isoformat(), str(last.run_id)))
        return TaskPage(shown, rows[0][0], next_token)


def _task(row: tuple[Any, ...]) -> StoredTask:
    *fields, awaited = row
    approvals = tuple(AwaitedApproval(UUID(one), tool, datetime.fromisoformat(at)) for one, tool, at in awaited or ())
    return StoredTask(*fields, approvals=approvals)


def _place(cursor: Cursor) -> tuple[datetime, UUID]:
    try:
        since, run_id = cursor
        return datetime.fromisoformat(since), UUID(run_id)
    except ValueError:
        raise foreign_cursor("use nextPageToken from the page before") from None
