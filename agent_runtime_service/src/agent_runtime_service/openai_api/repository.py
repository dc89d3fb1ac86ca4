"""What is known of a response beside its run. All SQL here is filtered by owners."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter

from kgents_shared.contracts.worker import Message
from kgents_shared.db import HotPool

_TOLD = TypeAdapter(list[Message])
# As much as a model may be sent at once.
_MOST_BYTES: Final = 32 * 1024 * 1024
# Where the run's end stands in its conversation, and whether nothing was said in it since.
_PLACE: Final = """
WITH run AS (
    SELECT id, conversation_id FROM runtime.runs
    WHERE id = %(run_id)s AND owner_id = ANY(%(owner_ids)s) AND status = 'completed'
), last AS (
    SELECT max(seq) AS seq FROM runtime.steps, run
    WHERE steps.conversation_id = run.conversation_id AND steps.run_id = run.id
)
SELECT run.conversation_id, last.seq, NOT EXISTS (
    SELECT FROM runtime.runs AS later
    WHERE later.conversation_id = run.conversation_id AND later.id > run.id
        AND later.status NOT IN ('failed', 'cancelled')
)
FROM run, last
"""
# What stood in the conversation by then; null where that is too much.
_UNTIL: Final = """
WITH told AS (
    SELECT seq, payload FROM runtime.steps WHERE conversation_id = %(conversation_id)s AND in_context AND seq <= %(seq)s
)
SELECT CASE WHEN (SELECT coalesce(sum(octet_length(payload::text)), 0) FROM told) <= %(most)s
    THEN (SELECT coalesce(json_agg(payload ORDER BY seq), '[]')::text FROM told) END
"""
_OTHERS: Final = """
SELECT count(*) FROM runtime.runs WHERE conversation_id = %(conversation_id)s AND owner_id = ANY(%(owner_ids)s)
"""


@dataclass(frozen=True, slots=True)
class ResponsePlace:
    """Where a completed run stands: its conversation, the place of its end, and whether that is the last one."""

    conversation_id: UUID
    seq: int
    is_last: bool


class ResponseRepository:
    """Reads what responses go on from."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def place_of(self, owner_ids: Collection[str], run_id: UUID) -> ResponsePlace | None:
        """Where a completed run of the owners' stands."""
        values = {"owner_ids": sorted(owner_ids), "run_id": run_id}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_PLACE, values)).fetchone()
        return None if row is None else ResponsePlace(*row)

    async def told_until(self, place: ResponsePlace, most_bytes: int = _MOST_BYTES) -> list[Message] | None:
        """What had been said by then in the conversation of an owner's run; None where that is too much."""
        values = {"conversation_id": place.conversation_id, "seq": place.seq, "most": most_bytes}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_UNTIL, values)).fetchone()
        return None if row is None or row[0] is None else _TOLD.validate_json(row[0])

    async def runs_in(self, owner_ids: Collection[str], conversation_id: UUID) -> int:
        """How many runs an owners' conversation has."""
        values = {"owner_ids": sorted(owner_ids), "conversation_id": conversation_id}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_OTHERS, values)).fetchone()
        return 0 if row is None else row[0]
