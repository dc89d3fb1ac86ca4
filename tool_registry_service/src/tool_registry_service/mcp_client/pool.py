"""Held sessions of this process, by server: bounded in all and for each server, closed when idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from tool_registry_service.mcp_client.health import ServerHealth
from tool_registry_service.mcp_client.link import ServerLink, ToolsListener
from tool_registry_service.mcp_client.slots import SessionSlots

if TYPE_CHECKING:
    from tool_registry_service.calls import ToolAnswer
    from tool_registry_service.mcp_client.connection import McpConnection, Progress
    from tool_registry_service.mcp_client.targets import RemoteTool, ServerTarget
    from tool_registry_service.mcp_client.transports import TransportMaker
    from tool_registry_service.settings import ToolsSettings

_REAP_EVERY_S = 5.0
T = TypeVar("T")


class SessionPool:
    """The links of this process by server id. `listener` hears what a server offers when it says that this changed."""

    def __init__(self, maker: TransportMaker, settings: ToolsSettings, listener: ToolsListener | None = None) -> None:
        self._maker = maker
        self._settings = settings
        self._listener = listener
        self._links: dict[UUID, ServerLink] = {}
        self._slots = SessionSlots(settings.max_sessions, settings.connect_timeout_s, self._end_an_idle_one)

    @property
    def sessions(self) -> int:
        """How many sessions are held."""
        return self._slots.taken

    @property
    def answer_within_s(self) -> float:
        """How long a server may take to answer what calls none of its tools."""
        return self._settings.connect_timeout_s

    async def tools(self, target: ServerTarget) -> list[RemoteTool]:
        """What `target` offers now. Raises ToolCallFault."""
        async with self._link(target) as link:
            return await link.tools()

    async def use(self, target: ServerTarget, work: Callable[[McpConnection], Awaitable[T]]) -> T:
        """Do `work`, which may be done twice, over a session with `target`. Raises ToolCallFault."""
        async with self._link(target) as link:
            return await link.use(work)

    async def call(
        self,
        target: ServerTarget,
        tool: str,
        arguments: dict[str, Any],
        *,
        pinned: str,
        key: str,
        progress: Progress | None = None,
    ) -> ToolAnswer:
        """Call one tool of `target`. Raises ToolCallFault."""
        async with self._link(target) as link:
            return await link.call(tool, arguments, pinned=pinned, key=key, progress=progress)

    def health(self, server_id: UUID) -> ServerHealth:
        """How a server has been, as this process saw it."""
        link = self._links.get(server_id)
        return ServerHealth() if link is None else link.health()

    @asynccontextmanager
    async def _link(self, target: ServerTarget) -> AsyncGenerator[ServerLink]:
        link = self._links.get(target.id)
        if link is None or link.target != target:
            # What it is reached by was changed, here or in another process: nothing of the old sessions is used.
            fresh = ServerLink(target, self._maker, self._settings, self._slots, self._listener)
            self._links[target.id] = fresh
            if link is not None:
                await link.close()
            link = fresh
        link.busy += 1
        try:
            yield link
        finally:
            link.busy -= 1
            link.used_at = time.monotonic()

    async def _end_an_idle_one(self) -> bool:
        idle = [row for row in self._links.values() if not row.busy and row.sessions]
        if not idle:
            return False
        await self.drop(min(idle, key=_last_use).target.id)
        return True

    async def drop(self, server_id: UUID) -> None:
        """End the sessions with a server, if there are any."""
        link = self._links.pop(server_id, None)
        if link is not None:
            await link.close()

    async def reap(self) -> None:
        """Close idle sessions, for ever."""
        while True:
            await asyncio.sleep(_REAP_EVERY_S)
            before = time.monotonic() - self._settings.idle_close_s
            for link in list(self._links.values()):
                # Asked of each right before: it may have been taken up while another one was being closed.
                if not link.busy and link.used_at < before and self._links.get(link.target.id) is link:
                    await self.drop(link.target.id)

    async def close(self) -> None:
        """End every session."""
        await asyncio.gather(*(self.drop(server_id) for server_id in list(self._links)))
        await self._slots.close()


def _last_use(link: ServerLink) -> float:
    return link.used_at
