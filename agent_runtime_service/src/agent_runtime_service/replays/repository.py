"""A conversation that stands where another one stood when a question was asked. SQL begins with an owner's run."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kgents_shared.db import HotPool

# Its messages up to the question, under the runs that they belong to; what was shortened since is whole again.
_PREPARE = """
WITH question AS (
    SELECT run.conversation_id, min(step.seq) AS seq FROM runtime.runs AS run
    JOIN runtime.steps AS step ON step.conversation_id = run.conversation_id AND step.run_id = run.id
    WHERE run.id = %(of)s AND run.owner_id = %(owner_id)s AND step.kind = 'user' GROUP BY run.conversation_id
), old AS (
    SELECT kept.*, question.seq, kept.context_from <= question.seq AS is_before
    FROM question JOIN runtime.conversations AS kept ON kept.id = question.conversation_id
), conversation AS (
    INSERT INTO runtime.conversations (id, owner_id, agent_id, agent_name, lane, context_from, summary, summary_of_seq,
        facts)
    SELECT %(conversation_id)s, owner_id, agent_id, agent_name, %(lane)s,
        CASE WHEN is_before THEN context_from ELSE 1 END, CASE WHEN is_before THEN summary END,
        CASE WHEN is_before THEN summary_of_seq END, facts
    FROM old
), messages AS (
    INSERT INTO runtime.steps (conversation_id, seq, run_id, kind, payload, created_at)
    SELECT %(conversation_id)s, step.seq, step.run_id, step.kind, step.payload, step.created_at
    FROM old JOIN runtime.steps AS step ON step.conversation_id = old.id
    WHERE step.in_context AND step.seq < old.seq AND (NOT is_before OR step.seq >= context_from)
)
INSERT INTO runtime.run_origins (run_id, replay_of, provider, model)
SELECT %(run_id)s, %(of)s, %(provider)s, %(model)s FROM old RETURNING run_id
"""
_FORGET = (
    "DELETE FROM runtime.run_origins WHERE run_id = %(run_id)s",
    "DELETE FROM runtime.steps WHERE conversation_id = %(conversation_id)s",
    "DELETE FROM runtime.conversations WHERE id = %(conversation_id)s",
)


@dataclass(frozen=True, slots=True)
class NewReplay:
    """A replay that is about to begin: its run, its conversation, and the model where it is another."""

    run_id: UUID
    conversation_id: UUID
    owner_id: str
    of: UUID
    lane: str
    provider: str | None
    model: str | None


class ReplayRepository:
    """Writes what a replay begins with."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def prepare(self, new: NewReplay) -> bool:
        """Store that the run will be a replay, and its conversation; False where there is no question to repeat."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(_PREPARE, _values(new))).fetchone() is not None

    async def forget(self, new: NewReplay) -> None:
        """Undo that: the run has not begun."""
        async with self._pool.connection() as connection, connection.transaction():
            for statement in _FORGET:
                await connection.execute(statement, _values(new))


def _values(new: NewReplay) -> dict[str, Any]:
    return {
        "run_id": new.run_id, "conversation_id": new.conversation_id, "owner_id": new.owner_id, "of": new.of,
        "lane": new.lane, "provider": new.provider, "model": new.model,
    }  # fmt: skip
