"""The way to each kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tool_registry_service import heavy_imports
from tool_registry_service.credentials import Bearers, HeaderSource, has_fields
from tool_registry_service.errors import NeverSent
from tool_registry_service.mcp_client.stdio_servers import StdioServers

if TYPE_CHECKING:
    from tool_registry_service.authorization.tokens import OAuthTokens
    from tool_registry_service.mcp_client.connection import McpTransport
    from tool_registry_service.mcp_client.sandbox import StdioSandbox
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.settings import ToolsSettings


class TransportMaker:
    """Gives the way to a server: over the guarded HTTP client, or as a process from the operator's list."""

    def __init__(self, settings: ToolsSettings, sandbox: StdioSandbox, bearers: Bearers, oauth: OAuthTokens) -> None:
        self._settings = settings
        self.stdio = StdioServers(settings, sandbox)
        self._bearers = bearers
        self._oauth = oauth

    async def transport(self, target: ServerTarget) -> McpTransport:
        """The transport of `target`; raises `NeverSent` where it can't be had."""
        if target.transport == "streamable_http":
            return await heavy_imports.streamable_http(target, self._settings, await self._headers(target))
        if target.transport == "wasm":
            raise NeverSent("A WASM module has tools, and nothing else.")
        return await self.stdio.transport(target)

    async def _headers(self, target: ServerTarget) -> HeaderSource | None:
        """What gives the server's headers; tried at once, so that a credential that can't be used is told as that."""
        source = self._source(target)
        if source is not None:
            await source.get()
        return source

    def _source(self, target: ServerTarget) -> HeaderSource | None:
        purpose, use, oauth = f"mcp server {target.name}", target.credential, target.oauth
        plain = {} if has_fields(target.headers) else dict(target.headers)
        if oauth is not None:

            async def with_token() -> dict[str, str]:
                token = await self._oauth.bearer(target, oauth)
                return plain | {"Authorization": f"Bearer {token.get_secret_value()}"}

            return HeaderSource(with_token, lambda: self._oauth.refused(target.id))
        if use is not None:

            async def with_fields() -> dict[str, str]:
                if has_fields(target.headers):
                    return await self._bearers.headers(use, purpose, target.headers)
                bearer = await self._bearers.bearer(use, purpose)
                return plain | {"Authorization": f"Bearer {bearer.get_secret_value()}"}

            return HeaderSource(with_fields, lambda: self._bearers.forget(use))
        if not plain:
            return None

        async def as_they_are() -> dict[str, str]:
            return plain

        return HeaderSource(as_they_are, lambda: None)
