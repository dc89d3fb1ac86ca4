"""Services' lifespans, each entered and left in a task of its own, as cancel scopes want it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from fastapi import FastAPI

_log = structlog.get_logger("kgents.host")


class ServiceStartError(Exception):
    """A service's lifespan didn't open."""


class RunningService:
    """One service's app between the opening and the closing of its lifespan."""

    def __init__(self, name: str, app: FastAPI) -> None:
        self.name = name
        self.app = app
        self._opened: asyncio.Future[None] | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the lifespan. Raises ServiceStartError, caused by what the service raised."""
        self._opened = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(self._opened), name=f"service {self.name}")
        try:
            await self._opened
        except Exception as error:
            raise ServiceStartError(f"{self.name} didn't start: {error}") from error

    async def stop(self) -> None:
        """Close the lifespan; what it raises is logged, since the others are to be closed all the same."""
        if self._task is None:
            return
        self._stop.set()
        task, self._task = self._task, None
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except Exception:  # noqa: BLE001 - logged, and the others are closed all the same
            _log.exception("service_stop_failed", service=self.name)

    async def _live(self, opened: asyncio.Future[None]) -> None:
        try:
            async with self.app.router.lifespan_context(self.app):
                if not opened.done():  # else the start was given up meanwhile
                    opened.set_result(None)
                await self._stop.wait()
        except BaseException as error:
            if not opened.done():
                opened.set_exception(error)
                return
            raise
