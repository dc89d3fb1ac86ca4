"""The table `instances`: what the directory is filled from at start, and by other replicas of the front."""

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from kgents_shared.contracts.instances import InstanceRegistration
from kgents_shared.db import HotPool

_PUT = """
INSERT INTO runtime.instances (instance_id, agent_id, agent_name, owner_id, version, generation, spec, endpoint_url,
    token_hash, state, lane, share)
VALUES (%(instance_id)s, %(agent_id)s, %(agent_name)s, %(owner_id)s, %(version)s, %(generation)s, %(spec)s,
    %(endpoint_url)s, %(token_hash)s, %(state)s, %(lane)s, %(share)s)
ON CONFLICT (instance_id) DO UPDATE SET agent_id = excluded.agent_id, agent_name = excluded.agent_name,
    owner_id = excluded.owner_id, version = excluded.version, generation = excluded.generation, spec = excluded.spec,
    endpoint_url = excluded.endpoint_url, token_hash = excluded.token_hash, state = excluded.state,
    lane = excluded.lane, share = excluded.share, updated_at = now()
"""
_DELETE = "DELETE FROM runtime.instances WHERE instance_id = %(instance_id)s"
_ALL = """
SELECT instance_id, agent_id, agent_name, owner_id, version, generation, spec, endpoint_url, token_hash, state, lane,
    share
FROM runtime.instances ORDER BY instance_id
"""
_NAMES = (
    "agent_id", "agent_name", "owner_id", "version", "generation", "spec", "endpoint_url", "token_hash", "state",
    "lane", "share",
)  # fmt: skip


class InstanceRepository:
    """Writes and reads registrations."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def put(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        """Store a registration, replacing an earlier one of the same instance."""
        values: dict[str, Any] = {name: getattr(registration, name) for name in _NAMES}
        values |= {"instance_id": instance_id, "spec": Jsonb(registration.spec.model_dump(mode="json"))}
        await self._execute(_PUT, values)

    async def delete(self, instance_id: UUID) -> None:
        """Forget an instance; one that isn't there is no fault."""
        await self._execute(_DELETE, {"instance_id": instance_id})

    async def all(self) -> list[tuple[UUID, InstanceRegistration]]:
        """Every registration."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_ALL)
            rows = await cursor.fetchall()
        return [(row[0], InstanceRegistration(**dict(zip(_NAMES, row[1:], strict=True)))) for row in rows]

    async def _execute(self, statement: str, values: dict[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
