"""What other services tell that this front acts on at once. Each front hears all of it.

Nothing is lost with an event that doesn't come: decisions are asked for, and plans renewed, now and then anyway.
"""

import structlog
from pydantic import ValidationError

from agent_runtime_service.execution.plan import Planner
from agent_runtime_service.execution.waiting import WaitingRuns
from kgents_shared.contracts.approvals import APPROVAL_DECIDED, ApprovalDecided
from kgents_shared.contracts.events import CloudEvent
from kgents_shared.contracts.tools import TOOLS_CHANGED, ToolsChanged
from kgents_shared.events import EventBus, subject_of

_log = structlog.get_logger("kgents.runtime.news")


class News:
    """Two endless tasks: `hear_decisions` and `hear_changed_tools`."""

    def __init__(self, bus: EventBus, waiting: WaitingRuns, planner: Planner) -> None:
        self._bus = bus
        self._waiting = waiting
        self._planner = planner

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


def _not_understood(event: CloudEvent, error: ValidationError) -> None:
    _log.warning("event_not_understood", type=event.type, event_id=str(event.id), faults=error.error_count())
