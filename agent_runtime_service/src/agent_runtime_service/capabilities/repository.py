"""All SQL about deliveries and their keys, filtered by owner."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from agent_runtime_service.capabilities.schemas import DeliveryView
from kgents_shared.db import HotPool, PageRequest, id_in

_PAGE = """
SELECT delivery.id, delivery.capability, delivery.from_agent_id, delivery.agent_id, delivery.agent_name,
    delivery.run_id, delivery.why, delivery.known, delivery.healthy, delivery.routing_us, delivery.created_at,
    coalesce(run.status, CASE WHEN delivery.refusal IS NULL THEN 'accepted' ELSE 'refused' END),
    coalesce(delivery.refusal, run.error->>'code'),
    extract(epoch FROM run.ended_at - delivery.created_at)::float * 1000, delivery.times
FROM runtime.deliveries AS delivery LEFT JOIN runtime.runs AS run ON run.id = delivery.run_id
WHERE delivery.owner_id = ANY(%(owner_ids)s) AND (%(after)s::uuid IS NULL OR delivery.id < %(after)s)
    AND (%(capability)s::text IS NULL OR delivery.capability = %(capability)s)
    AND (%(agent_id)s::uuid IS NULL OR delivery.agent_id = %(agent_id)s)
ORDER BY delivery.id DESC LIMIT %(limit)s
"""
# The first one to come with the key says whom it stands for.
_CLAIM = """
INSERT INTO runtime.capability_keys AS kept (owner_id, capability, key, agent_id)
VALUES (%(owner_id)s, %(capability)s, %(key)s, %(agent_id)s)
ON CONFLICT (owner_id, capability, key) DO UPDATE SET key = kept.key RETURNING agent_id
"""
# Whom it stands for can't be had, and has no run under the key: another may answer.
_HAND_ON = """
UPDATE runtime.capability_keys SET agent_id = %(agent_id)s
WHERE owner_id = %(owner_id)s AND capability = %(capability)s AND key = %(key)s AND agent_id = %(from_agent_id)s
    AND NOT EXISTS (
        SELECT FROM runtime.runs
        WHERE owner_id = %(owner_id)s AND agent_id = %(from_agent_id)s AND idempotency_key = %(run_key)s
    )
RETURNING agent_id
"""
_CLEAR = (
    "DELETE FROM runtime.deliveries WHERE created_at < now() - %(kept)s",
    "DELETE FROM runtime.capability_keys WHERE created_at < now() - %(kept)s",
)


class DeliveryRepository:
    """Reads `deliveries`, reads and writes `capability_keys`."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def page(
        self, owner_ids: Collection[str], request: PageRequest, capability: str | None, agent_id: UUID | None
    ) -> list[DeliveryView]:
        """`limit + 1` of the owners' deliveries, newest first."""
        after = None if request.after is None else id_in(request.after)
        values = {
            "owner_ids": sorted(owner_ids), "after": after, "capability": capability, "agent_id": agent_id,
            "limit": request.limit + 1,
        }  # fmt: skip
        return [_delivery(row) for row in await self._rows(_PAGE, values)]

    async def claim(self, owner_id: str, capability: str, key: str, agent_id: UUID) -> UUID:
        """Whom the key stands for from now on: this agent, if none before."""
        values = {"owner_id": owner_id, "capability": capability, "key": key, "agent_id": agent_id}
        return (await self._rows(_CLAIM, values))[0][0]

    async def hand_on(
        self, owner_id: str, capability: str, key: str, run_key: str, agents: tuple[UUID, UUID]
    ) -> UUID | None:
        """Have the key stand for the second of the agents instead of the first; None where that one has answered."""
        values = {
            "owner_id": owner_id, "capability": capability, "key": key, "run_key": run_key,
            "from_agent_id": agents[0], "agent_id": agents[1],
        }  # fmt: skip
        rows = await self._rows(_HAND_ON, values)
        return rows[0][0] if rows else None

    async def clear(self, kept: timedelta) -> None:
        """Forget what is older."""
        async with self._pool.connection() as connection:
            for statement in _CLEAR:
                await connection.execute(statement, {"kept": kept})

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()


def _delivery(row: tuple[Any, ...]) -> DeliveryView:
    (delivery_id, capability, from_agent_id, agent_id, agent, run_id, why, known, healthy, routing_us, at, status,
     error, latency_ms, times) = row  # fmt: skip
    return DeliveryView(
        id=delivery_id,
        capability=capability,
        from_agent_id=from_agent_id,
        agent_id=agent_id,
        agent=agent,
        run_id=run_id,
        why=why,
        known=known,
        healthy=healthy,
        routing_ms=routing_us / 1000,
        status=status,
        error=error,
        latency_ms=latency_ms,
        created_at=at,
        times=times,
    )
