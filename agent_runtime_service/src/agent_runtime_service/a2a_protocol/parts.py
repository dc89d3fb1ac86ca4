"""What tasks are made with."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from agent_runtime_service.a2a_protocol.pushing import Pushes
from agent_runtime_service.a2a_protocol.stored import TaskRepository
from agent_runtime_service.execution.active import ActiveRuns
from agent_runtime_service.messages.service import MessageService

Cancel = Callable[[Collection[str], UUID], Awaitable[bool]]
"""Cancels one of these owners' runs; False where there is none that hasn't ended."""


@dataclass(frozen=True, slots=True)
class TaskParts:
    """A task is a run: where it begins, where it is kept, who drives it here, what ends it, and who else is told.

    `ending` is set when the server is about to stop.
    """

    messages: MessageService
    tasks: TaskRepository
    active: ActiveRuns
    cancel: Cancel
    pushes: Pushes
    ending: asyncio.Event
