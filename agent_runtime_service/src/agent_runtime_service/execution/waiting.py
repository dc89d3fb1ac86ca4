"""Runs that wait for a person: taken up again once their approval is decided, whoever drove them before.

A run whose question another agent's run is to answer, which waits, waits for the end of that run.

A run that waits is rows and nothing else: no task, no worker, no lease. What is decided is heard as an event, and asked
for now and then, so that an event that was lost costs some seconds.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from agent_runtime_service.clients import Approvals, ToolRegistry
from agent_runtime_service.execution.active import ActiveRuns, Usage
from agent_runtime_service.execution.driver import RunDriver
from agent_runtime_service.execution.recovery import driven_run
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.instances.versions_in_use import VersionsInUse
from kgents_shared.waking import woken

_log = structlog.get_logger("kgents.runtime.waiting")
_FIRST: Final = UUID(int=0)


class WaitingRuns:
    """Resumes what was decided, and has the approvals of ended runs cancelled."""

    def __init__(
        self,
        journal: RunJournal,
        driver: RunDriver,
        runs: ActiveRuns,
        registry: ToolRegistry,
        approvals: Approvals,
        versions: VersionsInUse,
    ) -> None:
        self._answered = runs.answered
        self._registry = registry
        self._journal = journal
        self._driver = driver
        self._approvals = approvals
        self._versions = versions

    async def decided(self, approval_id: UUID) -> None:
        """Take the run up that waits for this approval, if one does still; what was decided, the registry asks."""
        row = await self._journal.resume(approval_id)
        if row is not None:
            await self._take_up(row)

    async def keep_answering(self, every_s: float) -> None:
        """Endless: take up what waited for runs that have ended; at once where they ended here."""
        while True:
            while rows := await self._journal.resume_askers():
                for row in rows:
                    await self._take_up(row)
            await woken(self._answered, every_s)

    async def _take_up(self, row: Sequence[Any]) -> None:
        *driven, usage = row
        run = driven_run(driven)
        run.usage = Usage.from_json(usage)
        run.model_requests = run.usage.model_calls
        await self._journal.read_transcript(run)
        _log.info("run_resumed", run_id=str(run.run_id), epoch=run.epoch)
        if run.hops:  # the one that asked may wait for it
            run.done.add_done_callback(lambda _: self._answered.set())
        self._driver.start(run)
        await self._versions.use_lane(run.agent_id, run.lane)

    async def keep_asking(self, every_s: float) -> None:
        """Endless: ask for what runs wait for, and cancel what they left."""
        while True:
            await self._ask_for_all()
            await self._cancel_what_is_left()
            await asyncio.sleep(every_s)

    async def _ask_for_all(self) -> None:
        after = _FIRST
        while asked := await self._journal.awaited(after):
            for approval_id in await self._no_longer_pending(asked):
                await self.decided(approval_id)
            after = asked[-1]

    async def _no_longer_pending(self, asked: Sequence[UUID]) -> list[UUID]:
        """Those that are decided, or that nobody knows any more: then the call asks for one anew."""
        states = {state.id: state.status for state in await self._approvals.states(asked)}
        return [approval_id for approval_id in asked if states.get(approval_id) != "pending"]

    async def _cancel_what_is_left(self) -> None:
        for run_id in await self._journal.left_waiting():
            await self._approvals.cancel(run_id)
            await self._registry.stop(run_id)
            await self._journal.forget_left(run_id)
