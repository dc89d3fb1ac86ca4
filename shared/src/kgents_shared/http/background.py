"""Tasks that run beside the requests: restarted with backoff when they fail, ended with the service."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

_log = structlog.get_logger("kgents.background")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CALM_AFTER_S = 30.0
_CANCEL_AGAIN_S = 1.0


class BackgroundTasks:
    """Starts named endless tasks and keeps them going until the block ends."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False

    async def __aenter__(self) -> Self:
        return self

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run `run()` again, with growing pauses, whenever it returns or fails."""
        self._tasks.append(asyncio.create_task(self._keep_going(name, run), name=name))

    async def _keep_going(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while not self._ending:
            began = loop.time()
            try:
                await run()
            except Exception as error:  # noqa: BLE001 -- whatever ended the task, it is told and started again
                _log.warning("background_task_failed", task=name, error=repr(error), again_in_s=pause)
            if loop.time() - began > _CALM_AFTER_S:
                pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        running = {task for task in self._tasks if not task.done()}
        while running:
            # Asked more than once: Python 3.11's asyncio.wait_for, which nats-py uses too, can lose a cancellation.
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
