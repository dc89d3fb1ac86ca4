"""Keeps one fork server: started in the background, looked at from inside a sandbox, started again when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from agent_deployment_service.launchers.process.link import ForkServerLink, ServerCommand
from agent_deployment_service.launchers.process.namespaces import Isolation
from agent_deployment_service.launchers.protocol import LaunchError, ProcessRow, Protection

_RESTART_PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger(__name__)

Probe = Callable[[ForkServerLink], Awaitable[list[Protection]]]


class ForkServerKeeper:
    """`probe` tells which walls stand around a child. `on_exit` gets the report of each child that ended, `on_lost` is
    called when the server went away. `changed` is called when the server is another one."""

    def __init__(
        self,
        command: ServerCommand,
        probe: Probe,
        *,
        on_exit: Callable[[dict[str, Any]], None],
        on_lost: Callable[[ForkServerKeeper], None],
        changed: Callable[[], None],
        require_isolation: bool,
    ) -> None:
        self._command = command
        self._probe = probe
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._changed = changed
        self._require_isolation = require_isolation
        self._bringing_up: asyncio.Task[ForkServerLink] | None = None
        self._failures = 0
        self._closing = False
        self.link: ForkServerLink | None = None
        self.protections: list[Protection] = []

    def start(self) -> None:
        """Begin to start the server."""
        self._bringing_up = asyncio.create_task(self._bring_up())

    async def ready(self) -> ForkServerLink:
        """The server, once it has loaded the worker's code; LaunchError where it can't be started."""
        if self._closing:
            raise LaunchError("the launcher is closing")
        if self._bringing_up is None:
            raise LaunchError("the launcher was not started")
        if self._bringing_up.done() and self.link is None:
            self.start()
        return await asyncio.shield(self._bringing_up)

    def rows(self) -> tuple[list[ProcessRow], list[ProcessRow]]:
        """The server, and the child that waits to be a worker."""
        server: list[ProcessRow] = []
        spare: list[ProcessRow] = []
        if self.link is not None and self.link.identity is not None:
            server.append(ProcessRow(self._command.title, self.link.identity.pid, None, None, "ready"))
        if self.link is not None and self.link.spare_pid is not None:
            spare.append(ProcessRow("worker", self.link.spare_pid, None, None, "spare"))
        return server, spare

    def refuse(self) -> None:
        """Start nothing any more."""
        self._closing = True

    async def settle(self) -> None:
        """After `refuse`: give up a start that is under way."""
        if self._bringing_up is not None and not self._bringing_up.done():
            self._bringing_up.cancel()
            await asyncio.wait({self._bringing_up})

    async def close(self) -> None:
        """End the server, and with it every child."""
        link, self.link = self.link, None
        if link is not None:
            await link.close()

    async def _bring_up(self) -> ForkServerLink:
        await asyncio.sleep(_RESTART_PAUSES[min(self._failures, len(_RESTART_PAUSES) - 1)])
        self._failures += 1
        try:
            link = await self._open(isolate=True)
        except LaunchError as error:
            if self._require_isolation:
                raise
            _log.warning("sandbox_not_available", reason=str(error))
            link = await self._open(isolate=False)
        if link.isolation is Isolation.NONE:
            _log.warning(
                "agents_are_not_isolated",
                consequence="Chat agents, which run only the platform's code, start without namespaces",
                missing=[item.name for item in self.protections if not item.on],
            )
        self._failures = 0
        self.link = link
        self._changed()
        return link

    async def _open(self, *, isolate: bool) -> ForkServerLink:
        link = ForkServerLink(self._command, self._on_exit, lambda: self._lost(link))
        try:
            await link.open(isolate=isolate)
            self.protections = await self._probe(link)
        except (LaunchError, asyncio.CancelledError):
            await link.close()
            raise
        return link

    def _lost(self, link: ForkServerLink) -> None:
        if self.link is not link:
            return
        self.link = None
        self._on_lost(self)
        if not self._closing:
            _log.error("forkserver_lost")
            self.start()
            if self._bringing_up is not None:
                self._bringing_up.add_done_callback(_told_later)


def _told_later(task: asyncio.Task[ForkServerLink]) -> None:
    """The failure of a restart is raised by the next launch, which tries again; here it is only written down."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("forkserver_not_restarted", reason=str(task.exception()))
