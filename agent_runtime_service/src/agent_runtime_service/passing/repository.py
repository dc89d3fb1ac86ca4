"""Conversations that are deleted once they are answered. SQL for the platform itself: it is filtered by no owner."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from agent_runtime_service.conversations.removal import remove_conversations
from kgents_shared.contracts.teams import ASK_AGENT, tool_of
from kgents_shared.db import HotPool

_NOTE: Final = "INSERT INTO runtime.passing_conversations (id) VALUES (%(id)s)"
_DROP: Final = "DELETE FROM runtime.passing_conversations WHERE id = %(id)s"
_MOST: Final = 100  # in one transaction
_ASKING: Final = (ASK_AGENT, "ask_capability")
# One that has begun, and all of whose runs have ended: so long ago that whoever waited for them has read it.
_OVER: Final = """
SELECT conversation.id FROM runtime.passing_conversations AS passing
JOIN runtime.conversations AS conversation ON conversation.id = passing.id
WHERE (%(ids)s::uuid[] IS NULL OR passing.id = ANY(%(ids)s)) AND NOT EXISTS (
    SELECT FROM runtime.runs AS run WHERE run.conversation_id = conversation.id
        AND (run.ended_at IS NULL OR run.stopping OR run.ended_at > now() - %(read_for)s)
) AND (%(ids)s::uuid[] IS NULL OR NOT EXISTS (
    SELECT FROM runtime.runs AS run JOIN runtime.tool_calls AS call ON call.run_id = run.id
    WHERE run.conversation_id = conversation.id AND (call.name = ANY(%(asking)s) OR starts_with(call.name, %(member)s))
))
LIMIT %(most)s FOR UPDATE OF conversation SKIP LOCKED
"""
# What other agents were asked in those is theirs, too: it goes next, where nothing else was said there. Who asked is
# noted a moment after, and so what asked may go only then.
_HAND_ON: Final = """
WITH keys AS (
    SELECT call.idempotency_key FROM runtime.runs AS run JOIN runtime.tool_calls AS call ON call.run_id = run.id
    WHERE run.conversation_id = ANY(%(ids)s)
), asked AS (
    SELECT run.id, run.conversation_id FROM runtime.run_origins AS origin JOIN runtime.runs AS run
        ON run.id = origin.run_id
    WHERE origin.asked_by_key IN (SELECT idempotency_key FROM keys)
)
INSERT INTO runtime.passing_conversations (id) SELECT DISTINCT conversation_id FROM asked
WHERE NOT EXISTS (
    SELECT FROM runtime.runs AS other WHERE other.conversation_id = asked.conversation_id
        AND other.id NOT IN (SELECT id FROM asked)
)
ON CONFLICT DO NOTHING
"""
# Beside those, one that never began.
_FORGET: Final = """
DELETE FROM runtime.passing_conversations AS passing
WHERE id = ANY(%(ids)s) OR noted_at < now() - interval '1 hour' AND NOT EXISTS (
    SELECT FROM runtime.conversations AS conversation WHERE conversation.id = passing.id
)
"""
_WAITING: Final = """
SELECT run.owner_id, run.id FROM runtime.passing_conversations AS passing
JOIN runtime.runs AS run ON run.conversation_id = passing.id
WHERE (%(ids)s::uuid[] IS NULL OR passing.id = ANY(%(ids)s)) AND run.status = 'waiting_approval'
    AND run.waiting_since <= now() - %(read_for)s
LIMIT 100
"""


class PassingRepository:
    """Notes them before they begin, and deletes them."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def note(self, conversation_id: UUID) -> None:
        """A conversation of that id will not be kept."""
        async with self._pool.connection() as connection:
            await connection.execute(_NOTE, {"id": conversation_id})

    async def drop(self, conversation_id: UUID) -> None:
        """It wasn't begun."""
        async with self._pool.connection() as connection:
            await connection.execute(_DROP, {"id": conversation_id})

    async def remove(self, read_for: timedelta, ids: Sequence[UUID] | None = None) -> bool:
        """Delete those, or all, that were over that long ago; whether there may be more.

        Of those, not what asked other agents.
        """
        values: dict[str, Any] = {
            "read_for": read_for, "ids": None if ids is None else list(ids), "most": _MOST, "asking": list(_ASKING),
            "member": tool_of(""),
        }  # fmt: skip
        async with self._pool.connection() as connection, connection.transaction():
            over = [row[0] for row in await (await connection.execute(_OVER, values)).fetchall()]
            if over:
                await connection.execute(_HAND_ON, {"ids": over})
                await remove_conversations(connection, over)
            if over or ids is None:
                await connection.execute(_FORGET, {"ids": over})
        return len(over) == _MOST

    async def waiting(self, read_for: timedelta, ids: Sequence[UUID] | None = None) -> list[tuple[str, UUID]]:
        """Owner and id of runs in those, or in all, that have waited that long for somebody's word."""
        values: dict[str, Any] = {"read_for": read_for, "ids": None if ids is None else list(ids)}
        async with self._pool.connection() as connection:
            return await (await connection.execute(_WAITING, values)).fetchall()
