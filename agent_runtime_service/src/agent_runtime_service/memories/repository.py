"""All SQL about memories, filtered by owner and agent."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from kgents_shared.contracts.memories import Memory, MemorySearch, NewMemory
from kgents_shared.db import HotPool, PageRequest, id_in, new_id

# No row: the agent keeps as many as it may. The same key again finds its row.
_STORE = """
INSERT INTO runtime.memories AS kept (id, owner_id, agent_id, conversation_id, key, text)
SELECT %(id)s, %(owner_id)s, %(agent_id)s, %(conversation_id)s, %(key)s, %(text)s
WHERE (SELECT count(*) FROM runtime.memories WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s) < %(most)s
ON CONFLICT (owner_id, agent_id, key) DO UPDATE SET key = kept.key
RETURNING id, text, conversation_id, created_at
"""
_SEARCH = """
WITH asked AS (SELECT replace(plainto_tsquery('simple', %(query)s)::text, '&', '|')::tsquery AS words)
SELECT id, text, conversation_id, created_at FROM runtime.memories, asked
WHERE owner_id = %(owner_id)s AND agent_id = %(agent_id)s
    AND (numnode(asked.words) = 0 OR memories.words @@ asked.words)
ORDER BY ts_rank(memories.words, asked.words) DESC, id DESC LIMIT %(limit)s
"""
_PAGE = """
SELECT id, text, conversation_id, created_at FROM runtime.memories
WHERE owner_id = ANY(%(owner_ids)s) AND agent_id = %(agent_id)s AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s
"""
_REMOVE = """
DELETE FROM runtime.memories WHERE owner_id = ANY(%(owner_ids)s) AND agent_id = %(agent_id)s AND id = %(id)s
RETURNING id
"""


class MemoryRepository:
    """Reads and writes `memories`."""

    def __init__(self, pool: HotPool, most: int) -> None:
        self._pool = pool
        self.most = most

    async def store(self, new: NewMemory) -> Memory | None:
        """Keep a text; None where the agent has `most` of them."""
        rows = await self._rows(_STORE, {**new.model_dump(), "id": new_id(), "most": self.most})
        return _memory(rows[0]) if rows else None

    async def search(self, asked: MemorySearch) -> list[Memory]:
        """What has one of the words, the best first; for no words the newest."""
        return [_memory(row) for row in await self._rows(_SEARCH, asked.model_dump())]

    async def page(self, owner_ids: Collection[str], agent_id: UUID, request: PageRequest) -> list[Memory]:
        """`limit + 1` of what an agent keeps for these owners, newest first."""
        after = None if request.after is None else id_in(request.after)
        values = {"owner_ids": sorted(owner_ids), "agent_id": agent_id, "after": after, "limit": request.limit + 1}
        return [_memory(row) for row in await self._rows(_PAGE, values)]

    async def remove(self, owner_ids: Collection[str], agent_id: UUID, memory_id: UUID) -> bool:
        """Forget one; False where the owners' agent keeps no such one."""
        values = {"owner_ids": sorted(owner_ids), "agent_id": agent_id, "id": memory_id}
        return bool(await self._rows(_REMOVE, values))

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()


def _memory(row: tuple[Any, ...]) -> Memory:
    return Memory(id=row[0], text=row[1], conversation_id=row[2], created_at=row[3])
