"""What other services tell that this front acts on at once. Each front hears all of it.

Nothing is lost with an event that doesn't come: decisions are asked for, and plans renewed, now and then anyway.
"""

from uuid import UUID

import structlog
from pydantic import ValidationError

from agent_runtime_service.cancelling.service import CancellingService
from agent_runtime_service.execution.active import CANCELLED
from agent_runtime_service.execution.plan import Planner
from agent_runtime_service.execution.waiting import WaitingRuns
from agent_runtime_service.metadata import SCHEMA
from kgents_shared.contracts.approvals import APPROVAL_DECIDED, ApprovalDecided
from kgents_shared.contracts.events import CloudEvent
from kgents_shared.contracts.tools import TOOLS_CHANGED, ToolsChanged
from kgents_shared.events import EventBus, subject_of
from kgents_shared.http.background import BackgroundTasks

_log = structlog.get_logger("kgents.runtime.news")


class News:
    """What is heard, each in an endless task that `start` begins."""

    def __init__(self, bus: EventBus, waiting: WaitingRuns, planner: Planner, cancelling: CancellingService) -> None:
        self._bus = bus
        self._waiting = waiting
        self._planner = planner
        self._cancelling = cancelling

    def start(self, tasks: BackgroundTasks) -> None:
        """Listen."""
        tasks.start("runtime decisions", self.hear_decisions)
        tasks.start("runtime changed tools", self.hear_changed_tools)
        tasks.start("runtime cancelled elsewhere", self.hear_cancelled_runs)

    async def hear_decisions(self) -> None:
        """Runs whose approval is decided go on."""
        async for event in self._bus.passing(subject_of("governance", APPROVAL_DECIDED)):
            try:
                told = ApprovalDecided.model_validate(event.data)
            except ValidationError as error:
                _not_understood(event, error)
                continue
            await self._waiting.decided(told.approval_id)

    async def hear_changed_tools(self) -> None:
        """The next run of that owner's agents has the tools as they are now."""
        async for event in self._bus.passing(subject_of("tools", TOOLS_CHANGED)):
            try:
                self._planner.tools_changed(ToolsChanged.model_validate(event.data).owner_id)
            except ValidationError as error:
                _not_understood(event, error)

    async def hear_cancelled_runs(self) -> None:
        """What other fronts cancelled ends here."""
        async for event in self._bus.passing(subject_of(SCHEMA, f"run.{CANCELLED}")):
            try:
                self._cancelling.heard(UUID(event.subject))
            except ValueError:
                _log.warning("event_not_understood", type=event.type, event_id=str(event.id))


def _not_understood(event: CloudEvent, error: ValidationError) -> None:
    _log.warning("event_not_understood", type=event.type, event_id=str(event.id), faults=error.error_count())
