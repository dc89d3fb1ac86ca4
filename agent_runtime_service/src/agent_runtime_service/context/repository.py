"""All SQL of what is shown, pinned, reset and deleted of conversations, filtered by owners."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from agent_runtime_service.conversations.removal import remove_conversations
from kgents_shared.contracts.worker import SummaryElsewhere
from kgents_shared.db import HotPool

_MOST_FACTS = 50
_FIND = """
SELECT id, agent_id, agent_name, context_from, summary, summary_of_seq, shared_with IS NOT NULL, facts,
    (SELECT shared.facts FROM runtime.shared_facts AS shared
        WHERE shared.owner_id = conversation.owner_id AND shared.shared_with = conversation.shared_with),
    (SELECT json_agg(json_build_object('agent', other.agent_name, 'summary', other.summary)) FROM (
        SELECT agent_name, summary FROM runtime.conversations AS near
        WHERE near.owner_id = conversation.owner_id AND near.shared_with = conversation.shared_with
            AND near.id <> conversation.id AND near.summary IS NOT NULL
        ORDER BY near.id DESC LIMIT 3
    ) AS other)
FROM runtime.conversations AS conversation WHERE owner_id = ANY(%(owner_ids)s) AND id = %(id)s
"""
_CHANGES = """
SELECT run_id, reason, forgotten, summarised, failure, shortened, tokens_before, tokens_after, created_at
FROM runtime.context_changes WHERE conversation_id = %(id)s ORDER BY created_at DESC, id DESC LIMIT 10
"""
_MINE = """
WITH conversation AS (
    SELECT id, owner_id, shared_with FROM runtime.conversations
    WHERE owner_id = ANY(%(owner_ids)s) AND id = %(id)s FOR UPDATE
)"""
# The first column is null where there is no such conversation, the second one where it has all the facts that it may.
_PIN = f"""{_MINE}, fact AS (
    SELECT jsonb_build_object(
        %(key)s::text, jsonb_build_object('text', %(text)s::text, 'pinned_at', to_jsonb(now() AT TIME ZONE 'UTC'))
    ) AS made
), own AS (
    UPDATE runtime.conversations AS kept SET facts = coalesce(kept.facts, '{{}}') || fact.made
    FROM conversation, fact
    WHERE kept.id = conversation.id AND conversation.shared_with IS NULL AND (
        coalesce(jsonb_exists(kept.facts, %(key)s), false)
        OR (SELECT count(*) FROM jsonb_object_keys(coalesce(kept.facts, '{{}}'))) < %(most)s
    )
    RETURNING kept.facts
), shared AS (
    INSERT INTO runtime.shared_facts AS kept (owner_id, shared_with, facts)
    SELECT owner_id, shared_with, fact.made FROM conversation, fact WHERE shared_with IS NOT NULL
    ON CONFLICT (owner_id, shared_with) DO UPDATE SET facts = kept.facts || excluded.facts
    WHERE jsonb_exists(kept.facts, %(key)s) OR (SELECT count(*) FROM jsonb_object_keys(kept.facts)) < %(most)s
    RETURNING facts
)
SELECT conversation.shared_with IS NOT NULL,
    coalesce((SELECT facts FROM own), (SELECT facts FROM shared)) -> %(key)s::text
FROM conversation
"""  # noqa: S608 -- our constants
_UNPIN = f"""{_MINE}, own AS (
    UPDATE runtime.conversations AS kept SET facts = nullif(kept.facts - %(key)s::text, '{{}}') FROM conversation
    WHERE kept.id = conversation.id AND jsonb_exists(kept.facts, %(key)s) RETURNING true
), shared AS (
    UPDATE runtime.shared_facts AS kept SET facts = kept.facts - %(key)s::text FROM conversation
    WHERE kept.owner_id = conversation.owner_id AND kept.shared_with = conversation.shared_with
        AND jsonb_exists(kept.facts, %(key)s) RETURNING true
)
SELECT EXISTS (SELECT FROM own) OR EXISTS (SELECT FROM shared) FROM conversation
"""  # noqa: S608 -- our constants
_OPEN = """
    SELECT FROM runtime.runs
    WHERE conversation_id = %(id)s AND status IN ('queued', 'running', 'waiting_approval')
"""
_RESET = f"""{_MINE}, last AS (
    SELECT coalesce(max(seq), 0) AS seq FROM runtime.steps WHERE conversation_id = %(id)s
), cleared AS (
    UPDATE runtime.conversations AS kept SET context_from = last.seq + 1, summary = NULL, summary_of_seq = last.seq
    FROM conversation, last WHERE kept.id = conversation.id AND NOT EXISTS ({_OPEN}) RETURNING kept.id
)
SELECT (SELECT id FROM cleared) FROM conversation
"""  # noqa: S608 -- our constants
# Locked, so that no run begins in it meanwhile.
_REMOVABLE = f"{_MINE} SELECT NOT EXISTS ({_OPEN}) FROM conversation"  # noqa: S608 -- our constants
Outcome = Literal["done", "in_use", "not_found"]


@dataclass(frozen=True, slots=True)
class KeptFact:
    """A pinned fact; the time is aware."""

    key: str
    text: str
    pinned_at: datetime
    shared: bool


@dataclass(frozen=True, slots=True)
class KeptContext:
    """What is kept of a conversation beside its messages."""

    conversation_id: UUID
    agent_id: UUID
    agent_name: str
    context_from: int
    summary: str | None
    summary_of_seq: int | None
    shares: bool
    facts: list[KeptFact]
    elsewhere: list[SummaryElsewhere]

    @property
    def gap(self) -> bool:
        """Whether some messages are neither shown nor in the summary."""
        return self.context_from > (self.summary_of_seq or 0) + 1


class ContextRepository:
    """Reads and writes what is shown of conversations."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, owner_ids: Collection[str], conversation_id: UUID) -> KeptContext | None:
        """What is kept of one of the owners' conversations."""
        row = await self._row(_FIND, {"owner_ids": sorted(owner_ids), "id": conversation_id})
        if row is None:
            return None
        own, shared, elsewhere = row[-3:]
        facts = [*_facts(own, shared=False), *_facts(shared, shared=True)]
        facts.sort(key=lambda fact: (fact.pinned_at, fact.key))
        others = [SummaryElsewhere(**other) for other in elsewhere or ()]
        return KeptContext(row[0], row[1], row[2], row[3], row[4], row[5], row[6], facts, others)

    async def changes(self, conversation_id: UUID) -> list[tuple[Any, ...]]:
        """The newest changes: run_id, reason, forgotten, summarised, failure, shortened, tokens before and after,
        time.
        """
        async with self._pool.connection() as connection:
            return await (await connection.execute(_CHANGES, {"id": conversation_id})).fetchall()

    async def pin(
        self, owner_ids: Collection[str], conversation_id: UUID, key: str, text: str
    ) -> KeptFact | Literal["too_many"] | None:
        """Pin a fact, in the place of an earlier one of that key; None where there is no such conversation."""
        values = {"owner_ids": sorted(owner_ids), "id": conversation_id, "key": key, "text": text, "most": _MOST_FACTS}
        row = await self._row(_PIN, values)
        if row is None:
            return None
        is_shared, made = row
        return "too_many" if made is None else _facts({key: made}, shared=is_shared)[0]

    async def unpin(self, owner_ids: Collection[str], conversation_id: UUID, key: str) -> bool | None:
        """Take a fact away; False where none of that key is pinned, None where there is no such conversation."""
        row = await self._row(_UNPIN, {"owner_ids": sorted(owner_ids), "id": conversation_id, "key": key})
        return None if row is None else bool(row[0])

    async def reset(self, owner_ids: Collection[str], conversation_id: UUID) -> Outcome:
        """Have the next message find an empty context."""
        row = await self._row(_RESET, {"owner_ids": sorted(owner_ids), "id": conversation_id})
        if row is None:
            return "not_found"
        return "done" if row[0] is not None else "in_use"

    async def remove(self, owner_ids: Collection[str], conversation_id: UUID) -> Outcome:
        """Delete a conversation with all that belongs to it."""
        values = {"owner_ids": sorted(owner_ids), "id": conversation_id}
        async with self._pool.connection() as connection, connection.transaction():
            row = await (await connection.execute(_REMOVABLE, values)).fetchone()
            if row is None:
                return "not_found"
            if not row[0]:
                return "in_use"
            await remove_conversations(connection, [conversation_id])
        return "done"

    async def _row(self, statement: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchone()


def most_facts() -> int:
    """How many facts a conversation may have."""
    return _MOST_FACTS


def _facts(kept: Mapping[str, Mapping[str, str]] | None, *, shared: bool) -> list[KeptFact]:
    return [
        KeptFact(key, fact["text"], datetime.fromisoformat(f"{fact['pinned_at']}+00:00"), shared)
        for key, fact in (kept or {}).items()
    ]
