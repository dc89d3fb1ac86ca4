"""Calls that waited for an approval and that nobody asks for again: they end when it does.

Whoever waits for a call asks for it again once its approval is decided. But a run may have ended meanwhile, and a
person may never come back: without this, their calls would wait in the records for ever.
"""

import asyncio
import json
from typing import Any, Final
from uuid import UUID

from kgents_shared.db import HotPool
from tool_registry_service.approvals.clients import Approvals
from tool_registry_service.approvals.step import said_no

_EVERY_S: Final = 60.0
_FIRST: Final = UUID(int=0)
_ENDED: Final = frozenset({"rejected", "expired", "cancelled"})
# What was sent before is said in `result` of a call that waits for its repetition.
_WAITING = """
SELECT id, approval_id, tool, result IS NOT NULL FROM tools.invocations
WHERE outcome = 'waiting_approval' AND approval_id IS NOT NULL AND id > %(after)s ORDER BY id LIMIT 100
"""
_END = """
UPDATE tools.invocations SET outcome = %(outcome)s, is_error = true, result = %(text)s, result_bytes = %(bytes)s,
    latency_ms = 0, denied_by = %(denied_by)s::json, ended_at = now()
WHERE id = %(id)s AND outcome = 'waiting_approval' AND approval_id = %(approval_id)s
"""


class LeftCalls:
    """Ends such calls, with what would be told to whoever asked for them."""

    def __init__(self, pool: HotPool, approvals: Approvals) -> None:
        self._pool = pool
        self._approvals = approvals

    async def keep_ending(self) -> None:
        """Look now and then, for ever."""
        while True:
            await self.end_all()
            await asyncio.sleep(_EVERY_S)

    async def end_all(self) -> None:
        """Look at every call that waits."""
        after = _FIRST
        while waiting := await self._after(after):
            calls = {approval_id: (call_id, tool, was_sent) for call_id, approval_id, tool, was_sent in waiting}
            for state in await self._approvals.states(list(calls)):
                if state.status in _ENDED:
                    call_id, tool, was_sent = calls[state.id]
                    refused = said_no(int(was_sent), tool, state)
                    ending = {"outcome": refused.outcome, "text": refused.text, "bytes": len(refused.text.encode())}
                    told_by = json.dumps(refused.denied_by)
                    await self._end({**ending, "denied_by": told_by, "id": call_id, "approval_id": state.id})
            after = waiting[-1][0]

    async def _after(self, after: UUID) -> list[tuple[UUID, UUID, str, bool]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_WAITING, {"after": after})
            rows: list[Any] = await cursor.fetchall()
        return rows

    async def _end(self, values: dict[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(_END, values)
