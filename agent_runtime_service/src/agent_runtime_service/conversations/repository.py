"""Conversations and their messages. All SQL here is filtered by owners."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from agent_runtime_service.conversations.schemas import ConversationView, MessageView
from kgents_shared.contracts.worker import Message
from kgents_shared.db import Cursor, HotPool, PageRequest
from kgents_shared.errors import InvalidInput

# Who asked what the newest run of a conversation answers.
_ASKER = """
SELECT CASE WHEN origin.replay_of IS NOT NULL THEN 'replay' WHEN cardinality(run.hops) > 0 THEN 'agent' END
FROM (
    SELECT run_id FROM runtime.steps WHERE steps.conversation_id = conversations.id ORDER BY seq DESC LIMIT 1
) AS newest JOIN runtime.runs AS run ON run.id = newest.run_id
    LEFT JOIN runtime.run_origins AS origin ON origin.run_id = run.id
"""
_COLUMNS = f"id, agent_id, agent_name, created_at, lane, coalesce(({_ASKER}), 'person')"
_FIND = f"""
SELECT {_COLUMNS} FROM runtime.conversations WHERE owner_id = ANY(%(owner_ids)s) AND id = %(id)s
"""  # noqa: S608 -- our constants
# A page of each owner's, then the newest of those: the index has them by owner.
_LIST = f"""
SELECT page.* FROM unnest(%(owner_ids)s::text[]) AS owner (id) CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM runtime.conversations
    WHERE owner_id = owner.id AND (%(agent_id)s::uuid IS NULL OR agent_id = %(agent_id)s)
        AND (%(after)s::uuid IS NULL OR conversations.id < %(after)s)
    ORDER BY conversations.id DESC LIMIT %(limit)s
) AS page
ORDER BY page.id DESC LIMIT %(limit)s
"""  # noqa: S608 -- our constants
# Pictures are megabytes, and nobody is shown them: of those only their kinds are read.
_PAYLOAD = """
CASE WHEN kind = 'user' AND pg_column_size(payload) > 8000 AND payload->'images' IS NOT NULL THEN json_build_object(
    'role', 'user', 'text', payload->>'text', 'images', (
        SELECT json_agg(json_build_object('media_type', image->>'media_type', 'data', ''))
        FROM json_array_elements(payload->'images') AS image
    )
) ELSE payload END::text
"""
_MESSAGES = f"""
SELECT seq, run_id, {_PAYLOAD}, step.created_at FROM runtime.steps AS step
WHERE conversation_id = (SELECT id FROM runtime.conversations WHERE owner_id = ANY(%(owner_ids)s) AND id = %(id)s)
    AND in_context AND seq > %(after)s
ORDER BY seq LIMIT %(limit)s
"""  # noqa: S608 -- our constants


# The newest of what is in the context, oldest first.
_NEWEST = f"""
SELECT * FROM (
    SELECT seq, run_id, {_PAYLOAD}, step.created_at FROM runtime.steps AS step
    WHERE conversation_id = (SELECT id FROM runtime.conversations WHERE owner_id = ANY(%(owner_ids)s) AND id = %(id)s)
        AND in_context AND seq >= %(first)s
    ORDER BY seq DESC LIMIT 1000
) AS newest ORDER BY seq
"""  # noqa: S608 -- our constants


class ConversationRepository:
    """Reads `conversations` and `steps`."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, owner_ids: Collection[str], conversation_id: UUID) -> ConversationView | None:
        """The conversation of that id, if it is one of the owners'."""
        rows = await self._rows(_FIND, {"owner_ids": sorted(owner_ids), "id": conversation_id})
        return _conversation(rows[0]) if rows else None

    async def page(
        self, owner_ids: Collection[str], request: PageRequest, agent_id: UUID | None = None
    ) -> list[ConversationView]:
        """The owners' conversations, newest first; one more than asked for, so that the end is known."""
        after = _uuid_cursor(request.after)
        values = {"owner_ids": sorted(owner_ids), "agent_id": agent_id, "after": after, "limit": request.limit + 1}
        return [_conversation(row) for row in await self._rows(_LIST, values)]

    async def messages(
        self, owner_ids: Collection[str], conversation_id: UUID, request: PageRequest
    ) -> list[MessageView]:
        """What stands in the conversation, oldest first; one more than asked for."""
        after = _seq_cursor(request.after)
        values = {"owner_ids": sorted(owner_ids), "id": conversation_id, "after": after, "limit": request.limit + 1}
        return [_message(row) for row in await self._rows(_MESSAGES, values)]

    async def newest_messages(
        self, owner_ids: Collection[str], conversation_id: UUID, first_seq: int
    ) -> list[MessageView]:
        """The newest 1,000 messages from that place on, oldest first."""
        values = {"owner_ids": sorted(owner_ids), "id": conversation_id, "first": first_seq}
        return [_message(row) for row in await self._rows(_NEWEST, values)]

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()


def _conversation(row: tuple[Any, ...]) -> ConversationView:
    return ConversationView(id=row[0], agent_id=row[1], agent=row[2], created_at=row[3], lane=row[4], asked_by=row[5])


def _message(row: tuple[Any, ...]) -> MessageView:
    seq, run_id, payload, created_at = row
    message = Message.model_validate_json(payload)
    return MessageView(
        role=message.role,
        text=message.text,
        run_id=run_id,
        seq=seq,
        created_at=created_at,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
        is_error=message.is_error,
        images=tuple(image.media_type for image in message.images),
    )


def _uuid_cursor(after: Cursor | None) -> UUID | None:
    try:
        return UUID(after[0]) if after is not None else None
    except (ValueError, IndexError) as error:
        raise InvalidInput("The cursor can't be read.", code="bad_cursor") from error


def _seq_cursor(after: Cursor | None) -> int:
    try:
        seq = int(after[0]) if after is not None else 0
    except (ValueError, IndexError) as error:
        raise InvalidInput("The cursor can't be read.", code="bad_cursor") from error
    if not 0 <= seq < 2**31:
        raise InvalidInput("The cursor can't be read.", code="bad_cursor")
    return seq
