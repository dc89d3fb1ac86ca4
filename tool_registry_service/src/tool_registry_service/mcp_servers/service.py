"""The rules about MCP servers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import PageRequest
from tool_registry_service.errors import ServerNameTaken, ServerNotFound
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.mcp_servers.repository import McpServerRepository
from tool_registry_service.tools.definitions import Comparison, Offer, compare, new_tool
from tool_registry_service.tools.repository import ToolRepository


class McpServerService:
    """What may be done with the MCP servers of some owners, within one transaction."""

    def __init__(self, servers: McpServerRepository, tools: ToolRepository) -> None:
        self._servers = servers
        self._tools = tools

    async def check_name_is_free(self, name: str) -> None:
        """Raise `ServerNameTaken` where one of the owners has a server of this name."""
        if await self._servers.has_name(name):
            raise ServerNameTaken(f"There is an MCP server named {name} already.")

    async def add(self, owner_id: str, target: ServerTarget, offer: Offer, side_effect: SideEffect) -> McpServer:
        """Store a server of this owner, and pin the definitions that it offers; raises `ServerNameTaken`."""
        if await self._tools.claim_first_name(owner_id, target.name) - {"server"}:
            raise ServerNameTaken(f"There is an imported API, or a tool, whose name begins with {target.name}.")
        now = datetime.now(UTC)
        server = McpServer(
            id=target.id, owner_id=owner_id, name=target.name, transport=target.transport, url=target.url,
            command=target.command, args=list(target.args), warnings=offer.warnings, created_at=now, refreshed_at=now,
            credential_ref=None if target.credential is None else target.credential.credential_ref,
        )  # fmt: skip
        await self._servers.add(server)
        await self._tools.add(new_tool(server, remote, now, side_effect) for remote in offer.tools)
        return server

    async def compare(self, server_id: UUID, offer: Offer) -> tuple[McpServer, Comparison]:
        """Bring the stored tools up to what the server offers now; raises `ServerNotFound`."""
        server = await self._servers.find(server_id, lock=True)
        if server is None:
            raise _not_found()
        now = datetime.now(UTC)
        comparison = compare(server, await self._tools.of_server(server_id), offer.tools, now)
        await self._tools.add(comparison.new_rows)
        server.refreshed_at, server.warnings = now, offer.warnings
        return server, comparison

    async def get(self, server_id: UUID) -> McpServer:
        """One server; raises `ServerNotFound`."""
        server = await self._servers.find(server_id)
        if server is None:
            raise _not_found()
        return server

    async def page(self, request: PageRequest) -> Sequence[McpServer]:
        """`limit + 1` of the owners' servers."""
        return await self._servers.page(request)

    async def delete(self, server_id: UUID) -> None:
        """Forget a server and its tools; raises `ServerNotFound`."""
        await self._servers.remove(await self.get(server_id))


def _not_found() -> ServerNotFound:
    return ServerNotFound("There is no such MCP server.")
