"""Cancelling a run: one statement ends it, and what goes on for it elsewhere is told to stop.

The statement makes the epoch of whoever drives the run stale, so that nothing more of it is stored. This front's own
runs are let go at once; another front hears of it as an event, or finds it out within half a second. What the run had
under way at other services is ended by any front, again and again until they have said what became of it.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import structlog

from agent_runtime_service.cancelling.repository import CancelledRuns, StoppingRun
from agent_runtime_service.clients import Approvals, ToolRegistry
from agent_runtime_service.execution.active import CANCELLED, ActiveRuns, RunEnd, RunFault
from kgents_shared.waking import woken

_log = structlog.get_logger("kgents.runtime.cancelling")
_WATCH_EVERY_S: Final = 0.5
_SETTLE_EVERY_S: Final = 1.0
_MOST_AT_ONCE: Final = 16
_FIRST: Final = UUID(int=0)
_END: Final = RunEnd(CANCELLED, fault=RunFault("cancelled", "The run was cancelled.", 409))


class CancellingService:
    """Cancels runs; two endless tasks, `watch` and `keep_settling`, do it for those of other fronts."""

    def __init__(self, rows: CancelledRuns, runs: ActiveRuns, registry: ToolRegistry, approvals: Approvals) -> None:
        self._rows = rows
        self._runs = runs
        self._registry = registry
        self._approvals = approvals
        self._left = asyncio.Event()
        self._under_way: set[UUID] = set()  # which of those that were cancelled are seen to right now

    async def cancel(self, owner_ids: Collection[str], run_id: UUID) -> bool:
        """Cancel one of the owners' runs; False where there is none that hasn't ended."""
        run = await self._rows.open_run(owner_ids, run_id)
        if run is None:
            return False
        active = self._runs.get(run_id)
        if active is not None:
            run.usage = active.usage
        if not await self._rows.cancel(run, _END):
            return False
        _log.info("run_cancelled", run_id=str(run_id))
        self.heard(run_id)
        self._left.set()
        self._runs.answered.set()
        return True

    async def end_all(self, runs: Sequence[tuple[UUID, str]]) -> None:
        """Cancel these runs, each with its owner, and have ended what they have under way, all of them together.

        Raises `ApiError` where a far side can't be asked; then they are cancelled all the same, and settled later.
        """
        places = asyncio.Semaphore(_MOST_AT_ONCE)

        async def end(run_id: UUID, owner_id: str) -> None:
            async with places:
                if await self.cancel([owner_id], run_id):
                    await self._stop(StoppingRun(run_id, owner_id, is_quiet=False))

        for ended in await asyncio.gather(*(end(*run) for run in runs), return_exceptions=True):
            if ended is not None:
                raise ended

    def heard(self, run_id: UUID) -> None:
        """A run is cancelled: what this front does for it ends."""
        run = self._runs.get(run_id)
        if run is not None and (run.suspension is None or run.suspension.status != CANCELLED):
            run.cancel(_END)

    async def watch(self) -> None:
        """Endless: find out which of the runs that are driven here were cancelled elsewhere."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            if run_ids := self._runs.ids():
                for run_id in await self._rows.cancelled_of(run_ids):
                    self.heard(run_id)

    async def keep_settling(self) -> None:
        """Endless: have ended what cancelled runs left under way, whichever front they were of.

        Each by itself: one whose far side is slow or away keeps no other from it.
        """
        self._under_way.clear()
        places = asyncio.Semaphore(_MOST_AT_ONCE)
        async with asyncio.TaskGroup() as settling:
            while True:
                await woken(self._left, _SETTLE_EVERY_S)
                await self._settle_all(settling, places)

    async def _settle_all(self, settling: asyncio.TaskGroup, places: asyncio.Semaphore) -> None:
        after = _FIRST
        while runs := await self._rows.stopping(after):
            for run in runs:
                if run.run_id not in self._under_way:
                    await places.acquire()
                    self._under_way.add(run.run_id)
                    settling.create_task(self._settle(run, places))
            after = runs[-1].run_id

    async def _settle(self, run: StoppingRun, places: asyncio.Semaphore) -> None:
        try:
            await self._stop(run)
        except Exception as error:  # noqa: BLE001 -- whatever it was, it ends no other's settling, and is tried again
            _log.warning("run_not_settled", run_id=str(run.run_id), error=repr(error))
        finally:
            self._under_way.discard(run.run_id)
            places.release()

    async def _stop(self, run: StoppingRun) -> None:
        for asked, owner_id in await self._rows.asked_by(run.run_id):
            await self.cancel([owner_id], asked)
        calls = await self._registry.stop(run.run_id)
        await self._approvals.cancel(run.run_id)
        if run.is_quiet and all(call.state != "running" for call in calls):
            await self._rows.settle(run.run_id, {call.tool_call_id: call.state for call in calls})
