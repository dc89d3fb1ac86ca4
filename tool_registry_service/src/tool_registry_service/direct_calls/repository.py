"""What is asked of the record of calls before one is made without an agent."""

from dataclasses import dataclass
from uuid import UUID

from kgents_shared.db import HotPool

_WAITING = """
SELECT idempotency_key FROM tools.invocations
WHERE owner_id = %s AND principal = %s AND fingerprint = %s AND outcome = 'waiting_approval' AND agent_id IS NULL
ORDER BY id DESC LIMIT 1
"""
_RECORD = "SELECT id, outcome FROM tools.invocations WHERE owner_id = %s AND idempotency_key = %s"


@dataclass(frozen=True, slots=True)
class Record:
    """A call's row as its caller is told of it."""

    id: UUID
    outcome: str


class DirectCallRepository:
    """Calls without an agent."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def waiting_key(self, owner_id: str, principal: str, fingerprint: str) -> str | None:
        """The key of the newest call that is exactly this one and waits for its approval."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_WAITING, (owner_id, principal, fingerprint))).fetchone()
        return None if row is None else str(row[0])

    async def record(self, owner_id: str, idempotency_key: str) -> Record | None:
        """The row of a call."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_RECORD, (owner_id, idempotency_key))).fetchone()
        return None if row is None else Record(*row)
