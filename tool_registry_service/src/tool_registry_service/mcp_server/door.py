"""The way to the sessions, which stand on the MCP SDK: it is imported when the first client comes."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from tool_registry_service.mcp_server.callers import SessionIds
from tool_registry_service.mcp_server.offers import Offers

if TYPE_CHECKING:
    from kgents_shared.auth import TokenVerifier
    from tool_registry_service.mcp_server.agents import HttpAgents
    from tool_registry_service.mcp_server.live import LiveSessions
    from tool_registry_service.registry import Registry
    from tool_registry_service.settings import ToolsSettings


class McpDoor:
    """Gives the sessions of this process."""

    def __init__(
        self,
        settings: ToolsSettings,
        registry: Registry,
        agents: HttpAgents,
        verifier: TokenVerifier,
        ending: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._agents = agents
        self._offers = Offers(registry, registry.direct_calls, agents)
        self._ids = SessionIds(settings.client_secret.get_secret_value())
        self._verifier = verifier
        self._ending = ending
        self._live: LiveSessions | None = None
        self._making = asyncio.Lock()
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Own what goes on in sessions, for ever."""
        await self._wanted.wait()
        live = await self._made()
        try:
            async with self._agents.opened():
                await live.run()
        finally:
            self._live = None

    async def sessions(self) -> LiveSessions:
        """The sessions, made at the first call."""
        self._wanted.set()
        live = await self._made()
        await live.ready.wait()
        return live

    async def _made(self) -> LiveSessions:
        async with self._making:
            if self._live is None:
                await asyncio.to_thread(import_module, "tool_registry_service.mcp_server.live")
                from tool_registry_service.mcp_server.live import (  # noqa: PLC0415 -- see above
                    LiveLimits,
                    LiveParts,
                    LiveSessions,
                )

                limits = LiveLimits(
                    sessions=self._settings.mcp_sessions,
                    streams=self._settings.mcp_streams_per_person,
                    requests=self._settings.mcp_requests_per_person,
                    idle_s=self._settings.idle_close_s,
                    watch_s=self._settings.mcp_watch_s,
                )
                parts = LiveParts(self._offers, self._ids, self._verifier.verify, self._ending)
                self._live = LiveSessions(parts, limits)
            return self._live
