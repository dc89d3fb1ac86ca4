"""Which agents have a public card."""

from typing import Final
from uuid import UUID

from kgents_shared.db import HotPool

_SHOW: Final = """
INSERT INTO runtime.public_cards (agent_id, owner_id) VALUES (%(agent_id)s, %(owner_id)s) ON CONFLICT DO NOTHING
"""
_HIDE: Final = "DELETE FROM runtime.public_cards WHERE agent_id = %(agent_id)s AND owner_id = %(owner_id)s"
_IS_SHOWN: Final = "SELECT FROM runtime.public_cards WHERE agent_id = %(agent_id)s AND owner_id = %(owner_id)s"


class PublicCardRepository:
    """Reads and writes `public_cards`; `owner_id` is the agent's owner."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def show(self, agent_id: UUID, owner_id: str) -> None:
        """Let anybody read the agent's card."""
        async with self._pool.connection() as connection:
            await connection.execute(_SHOW, {"agent_id": agent_id, "owner_id": owner_id})

    async def hide(self, agent_id: UUID, owner_id: str) -> None:
        """Show it only to who may see the agent."""
        async with self._pool.connection() as connection:
            await connection.execute(_HIDE, {"agent_id": agent_id, "owner_id": owner_id})

    async def is_shown(self, agent_id: UUID, owner_id: str) -> bool:
        """Whether anybody may read it."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_IS_SHOWN, {"agent_id": agent_id, "owner_id": owner_id})
            return await cursor.fetchone() is not None
