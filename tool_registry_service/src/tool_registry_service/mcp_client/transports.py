"""The way to each kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tool_registry_service import heavy_imports
from tool_registry_service.credentials import Bearers, BearerSource
from tool_registry_service.errors import CommandNotAllowed, NeverSent

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpTransport
    from tool_registry_service.mcp_client.sandbox import StdioSandbox
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.settings import StdioCommand, ToolsSettings


class TransportMaker:
    """Gives the way to a server: over the guarded HTTP client, or as a process from the operator's list."""

    def __init__(self, settings: ToolsSettings, sandbox: StdioSandbox, bearers: Bearers) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._bearers = bearers

    async def transport(self, target: ServerTarget) -> McpTransport:
        """The transport of `target`; raises `NeverSent` where it can't be had."""
        if target.transport == "streamable_http":
            return await heavy_imports.streamable_http(target, self._settings, await self._bearer(target))
        try:
            command = self.allowed(target.command or "")
        except CommandNotAllowed as error:
            raise NeverSent(error.detail) from error
        argv = await self._sandbox.argv(command, target.args)
        return await heavy_imports.stdio(argv, self._sandbox.environment(command), self._settings.max_answer_bytes)

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

    def allowed(self, name: str) -> StdioCommand:
        """The operator's entry of this name; raises `CommandNotAllowed`."""
        command = self._settings.stdio_allowed.get(name)
        if command is None:
            listed = ", ".join(sorted(self._settings.stdio_allowed)) or "none"
            raise CommandNotAllowed(
                f"{name} is not a command that the operator allows (TOOLS_STDIO_ALLOWED lists: {listed})."
            )
        return command
