"""Folders in which nothing is written any more are cleared after a time that the operator sets."""

import asyncio
from datetime import timedelta

import structlog

from tool_registry_service.builtin_tools.scratch_rows import ScratchRepository

_log = structlog.get_logger("kgents.tools.files")
_EVERY_S = 3_600.0
_BATCH = 200


class ScratchAge:
    """Clears old folders, some at a time, so that nothing waits for it."""

    def __init__(self, rows: ScratchRepository, kept_days: int) -> None:
        self._rows = rows
        self._kept = timedelta(days=kept_days)

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await self.clear()
            await asyncio.sleep(_EVERY_S)

    async def clear(self) -> int:
        """Delete all that is too old now; how many files there were."""
        cleared = 0
        while gone := await self._rows.forget(unchanged_for=self._kept, at_most=_BATCH):
            cleared += gone
        if cleared:
            _log.info("scratch_files_cleared", count=cleared)
        return cleared
