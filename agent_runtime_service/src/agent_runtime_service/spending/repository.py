"""All SQL that sums the ledger. A caller sees their own runs' calls, and everybody's calls of their agents."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from agent_runtime_service.prices.money import written
from agent_runtime_service.spending.schemas import By, UsageSum
from kgents_shared.db import HotPool

_KEYS: Final[Mapping[By, str]] = {
    "agent": "coalesce(agent_id::text, purpose, '')",
    "user": "owner_id",
    "model": "provider || '/' || model",
    "day": "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_SUMS = """
SELECT {key} AS key, {name}, count(*) FILTER (WHERE purpose IS DISTINCT FROM 'tool'),
    count(*) FILTER (WHERE error IS NOT NULL), count(*) FILTER (WHERE from_cache),
    coalesce(sum(prompt_tokens), 0)::bigint, coalesce(sum(completion_tokens), 0)::bigint,
    coalesce(sum(cached_tokens), 0)::bigint, coalesce(sum(cost), 0),
    count(*) FILTER (WHERE cost IS NULL AND prompt_tokens + completion_tokens > 0),
    count(*) FILTER (WHERE purpose = 'tool'), coalesce(sum(cost) FILTER (WHERE purpose = 'tool'), 0)
FROM runtime.model_calls
WHERE created_at >= %(since)s AND created_at < %(until)s
    AND (owner_id = ANY(%(owners)s) OR agent_owner_id = ANY(%(owners)s) OR %(everybodys)s)
    AND (%(agent_id)s::uuid IS NULL OR agent_id = %(agent_id)s)
GROUP BY 1 ORDER BY {order} LIMIT 1000
"""
_TIMINGS = """
SELECT model, count(*), avg((timings->>'load_ms')::float), avg((timings->>'prompt_eval_ms')::float),
    avg((timings->>'eval_ms')::float), sum(completion_tokens) * 1000.0 / nullif(sum((timings->>'eval_ms')::float), 0)
FROM runtime.model_calls
WHERE created_at > now() - interval '1 day' AND provider = %(provider)s AND timings IS NOT NULL
GROUP BY model
"""


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Whose calls are summed, from when until when, of which agent (None: of all)."""

    owners: Collection[str]
    since: datetime
    until: datetime
    agent_id: UUID | None = None
    everybodys: bool = False


class UsageRepository:
    """Reads `model_calls`."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def timings(self, provider: str) -> dict[str, dict[str, float | int | None]]:
        """A local provider's own times by model, means of the last day's calls."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_TIMINGS, {"provider": provider})).fetchall()
        names = ("load_ms", "prompt_eval_ms", "eval_ms", "tokens_per_second")
        return {
            row[0]: {"calls": row[1]}
            | {
                name: None if value is None else round(float(value), 1)
                for name, value in zip(names, row[2:], strict=True)
            }
            for row in rows
        }

    async def sums(self, by: By, query: UsageQuery) -> list[UsageSum]:
        """One sum for each key."""
        name = "max(agent_name)" if by == "agent" else "NULL::text"
        order = "key DESC" if by == "day" else "sum(cost) DESC NULLS LAST, count(*) DESC, key"
        values: dict[str, Any] = {
            "owners": sorted(query.owners), "since": query.since, "until": query.until, "agent_id": query.agent_id,
            "everybodys": query.everybodys,
        }  # fmt: skip
        statement = _SUMS.format(key=_KEYS[by], name=name, order=order)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            rows = await cursor.fetchall()
        return [
            UsageSum(
                key=row[0], name=row[1], calls=row[2], failed_calls=row[3], answers_from_cache=row[4],
                prompt_tokens=row[5], completion_tokens=row[6], cached_tokens=row[7], cost=written(row[8]),
                unpriced_calls=row[9], tool_calls=row[10], tool_cost=written(row[11]),
            )
            for row in rows
        ]  # fmt: skip
