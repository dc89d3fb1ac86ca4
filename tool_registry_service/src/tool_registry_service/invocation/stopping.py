"""Calls that end because their run was cancelled.

Who makes a call may be another process: what is to end is written to its row, and each process looks for its own.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from kgents_shared.contracts.tools import StoppedCall
from tool_registry_service.invocation.presence import RunnerPresence
from tool_registry_service.invocation.repository import Ending, InvocationRepository

NEVER_MADE: Final = "The call was not made: its run was cancelled."
MAY_HAVE_ACTED: Final = "The call was ended because its run was cancelled; whether it took effect is not known."
_WATCH_EVERY_S: Final = 0.5
_WAIT_S: Final = 2.0
# Every other outcome is the end of a call that came to it by itself.
_STATES: Final = {"cancelled": "cancelled", "running": "running", "unknown": "unknown", "timed_out": "unknown"}


class CallsUnderWay:
    """The calls that this process makes now, and which of them are to end."""

    def __init__(self) -> None:
        self._tasks: dict[UUID, asyncio.Task[object]] = {}
        self._stopped: set[UUID] = set()

    @contextmanager
    def making(self, invocation_id: UUID) -> Generator[None]:
        """A call is made by the current task: within this it may be cancelled, and `is_stopped` says that it was."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is made by a task")
        self._tasks[invocation_id] = task
        try:
            yield
        finally:
            del self._tasks[invocation_id]
            self._stopped.discard(invocation_id)

    @property
    def ids(self) -> list[UUID]:
        """All of them."""
        return list(self._tasks)

    def is_stopped(self, invocation_id: UUID) -> bool:
        """Whether the call is to end; its task, which was cancelled for that, goes on to store its end."""
        task = asyncio.current_task()
        if invocation_id not in self._stopped or task is None:
            return False
        task.uncancel()
        return True

    def stop(self, invocation_id: UUID) -> "asyncio.Task[object] | None":
        """End a call that is made here."""
        task = self._tasks.get(invocation_id)
        if task is not None and invocation_id not in self._stopped:
            self._stopped.add(invocation_id)
            task.cancel()
        return task


class StoppingService:
    """Ends the calls of runs."""

    def __init__(self, rows: InvocationRepository, presence: RunnerPresence, calls: CallsUnderWay) -> None:
        self._rows = rows
        self._presence = presence
        self._calls = calls

    async def stop(self, run_id: UUID) -> list[StoppedCall]:
        """Have every call of a run end; how each stands. One of a process that died is `unknown`."""
        await self._rows.ask_to_stop(run_id, NEVER_MADE)
        running = [call for call in await self._rows.calls_of(run_id) if call.outcome == "running"]
        if mine := [task for call in running if (task := self._calls.stop(call.id)) is not None]:
            await asyncio.wait(mine, timeout=_WAIT_S)
        for call in running:
            if not await self._presence.is_alive(call.runner):
                ending = Ending("unknown", True, MAY_HAVE_ACTED, len(MAY_HAVE_ACTED), 0.0, went_out=True)
                await self._rows.finish(call.id, call.runner, ending)
        return [
            StoppedCall.model_validate(
                {"tool_call_id": call.tool_call_id, "state": _STATES.get(call.outcome, "completed")}
            )
            for call in await self._rows.calls_of(run_id)
        ]

    async def watch(self) -> None:
        """Endless: end those of this process's calls that another one was asked to."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            if under_way := self._calls.ids:
                for invocation_id in await self._rows.asked_to_stop(under_way):
                    self._calls.stop(invocation_id)
