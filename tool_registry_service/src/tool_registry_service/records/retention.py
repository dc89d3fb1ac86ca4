"""Calls are forgotten after a time that the operator sets."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from kgents_shared.db import Database
from tool_registry_service.records.repository import forget_calls

_log = structlog.get_logger("kgents.tools.records")
_EVERY_S = 600.0
_BATCH = 1_000


class Retention:
    """Deletes what is older than `kept_days`, batch by batch, so that nothing waits for it."""

    def __init__(self, database: Database, kept_days: int) -> None:
        self._database = database
        self._kept = timedelta(days=kept_days)

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await self.forget_old()
            await asyncio.sleep(_EVERY_S)

    async def forget_old(self) -> int:
        """Delete all that is too old now; how many calls there were."""
        before, forgotten = datetime.now(UTC) - self._kept, 0
        while True:
            async with self._database.transaction() as session:
                gone = await forget_calls(session, before=before, at_most=_BATCH)
            forgotten += gone
            if gone < _BATCH:
                break
        if forgotten:
            _log.info("calls_forgotten", count=forgotten)
        return forgotten
