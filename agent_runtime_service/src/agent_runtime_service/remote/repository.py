"""The table `remote_contexts`."""

from typing import Final
from uuid import UUID

from kgents_shared.db import HotPool

_FIND: Final = "SELECT context_id, task_id FROM runtime.remote_contexts WHERE conversation_id = %(conversation_id)s"
_KEEP: Final = """
INSERT INTO runtime.remote_contexts (conversation_id, context_id, task_id)
SELECT id, %(context_id)s, %(task_id)s FROM runtime.conversations WHERE id = %(conversation_id)s
ON CONFLICT (conversation_id) DO UPDATE SET context_id = excluded.context_id, task_id = excluded.task_id
"""


class RemoteContextRepository:
    """Reads and keeps contexts. Only the gateway asks, for a conversation whose run it carries out."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, conversation_id: UUID) -> tuple[str, str | None] | None:
        """The far context and task of a conversation."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_FIND, {"conversation_id": conversation_id})
            return await cursor.fetchone()

    async def keep(self, conversation_id: UUID, context_id: str, task_id: str | None) -> None:
        """Keep them; nothing where the conversation was deleted meanwhile."""
        values = {"conversation_id": conversation_id, "context_id": context_id, "task_id": task_id}
        async with self._pool.connection() as connection:
            await connection.execute(_KEEP, values)
