"""The way to each kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tool_registry_service import heavy_imports
from tool_registry_service.credentials import Bearers, BearerSource
from tool_registry_service.mcp_client.stdio_servers import StdioServers

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpTransport
    from tool_registry_service.mcp_client.sandbox import StdioSandbox
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.settings import ToolsSettings


class TransportMaker:
    """Gives the way to a server: over the guarded HTTP client, or as a process from the operator's list."""

    def __init__(self, settings: ToolsSettings, sandbox: StdioSandbox, bearers: Bearers) -> None:
        self._settings = settings
        self.stdio = StdioServers(settings, sandbox)
        self._bearers = bearers

    async def transport(self, target: ServerTarget) -> McpTransport:
        """The transport of `target`; raises `NeverSent` where it can't be had."""
        if target.transport == "streamable_http":
            return await heavy_imports.streamable_http(target, self._settings, await self._bearer(target))
        return await self.stdio.transport(target)

    async def _bearer(self, target: ServerTarget) -> BearerSource | None:
        """What gives the server's bearer; tried at once, so that a credential that can't be used is told as that."""
        use = target.credential
        if use is None:
            return None
        source = BearerSource(
            get=lambda: self._bearers.bearer(use, f"mcp server {target.name}"), forget=lambda: self._bearers.forget(use)
        )
        await source.get()
        return source
