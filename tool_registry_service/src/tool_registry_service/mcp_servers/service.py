"""The rules about MCP servers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import PageRequest
from tool_registry_service.authorization.setup import OAuthUse
from tool_registry_service.errors import ServerNameTaken, ServerNotFound
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.mcp_servers.repository import McpServerRepository
from tool_registry_service.tools.definitions import Offer, compare_offered, new_tool
from tool_registry_service.tools.pinning import Comparison
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

    async def _check_first_name(self, owner_id: str, name: str) -> None:
        if await self._tools.claim_first_name(owner_id, name) - {"server"}:
            raise ServerNameTaken(f"There is an imported API, or a tool, whose name begins with {name}.")

    async def add(self, owner_id: str, target: ServerTarget, offer: Offer, side_effect: SideEffect) -> McpServer:
        """Store a server of this owner, and pin the definitions that it offers; raises `ServerNameTaken`."""
        await self._check_first_name(owner_id, target.name)
        now = datetime.now(UTC)
        server = McpServer(
            id=target.id, owner_id=owner_id, name=target.name, transport=target.transport, url=target.url,
            command=target.command, args=list(target.args), warnings=offer.warnings, created_at=now, refreshed_at=now,
            credential_ref=None if target.credential is None else target.credential.credential_ref,
            headers=dict(target.headers), oauth=stored_oauth(target.oauth), oauth_ref=None,
        )  # fmt: skip
        await self._servers.add(server)
        await self._tools.add(new_tool(server, remote, now, side_effect) for remote in offer.tools)
        return server

    async def compare(self, server_id: UUID, offer: Offer) -> tuple[McpServer, Comparison]:
        """Bring the stored tools up to what the server offers now, for a person; raises `ServerNotFound`."""
        server, comparison = await self._compare(server_id, offer)
        await self._tools.add(comparison.new_rows)
        return server, comparison

    async def compare_unasked(self, server_id: UUID, offer: Offer) -> Comparison:
        """The same where no person looks: tools that are new wait for one, who refreshes the server."""
        server, comparison = await self._compare(server_id, offer)
        if comparison.added:
            names = ", ".join(name.partition(".")[2] for name in comparison.added[:10])
            note = f"It offers {len(comparison.added)} more tools ({names}): refresh it to have them."
            server.warnings = [*offer.warnings, note]
        return comparison

    async def _compare(self, server_id: UUID, offer: Offer) -> tuple[McpServer, Comparison]:
        server = await self._servers.find(server_id, lock=True)
        if server is None:
            raise _not_found()
        now = datetime.now(UTC)
        comparison = compare_offered(server, await self._tools.of_server(server_id), offer.tools, now)
        server.refreshed_at, server.warnings = now, offer.warnings
        return server, comparison

    async def change(self, server_id: UUID, target: ServerTarget) -> McpServer:
        """Give a server `target`'s name, and have it reached as `target` says.

        What its owner authorized is kept where it is reached as before.

        Raises:
            ServerNotFound: there is no such server.
            ServerNameTaken: another has the name.
        """
        server = await self._servers.find(server_id, lock=True)
        if server is None:
            raise _not_found()
        if target.name != server.name:
            await self._check_first_name(server.owner_id, target.name)
            await self.check_name_is_free(target.name)
            for tool in await self._tools.of_server(server_id):
                tool.name, tool.updated_at = f"{target.name}.{tool.remote_name}", datetime.now(UTC)
        server.name, server.url, server.headers = target.name, target.url, dict(target.headers)
        server.credential_ref = None if target.credential is None else target.credential.credential_ref
        server.oauth = stored_oauth(target.oauth)
        if target.oauth is None or target.oauth.kept is None:
            server.oauth_ref, server.authorized_at = None, None
        await self._servers.flush(server)
        return server

    async def authorization_begun(self, server_id: UUID, oauth_ref: str) -> McpServer:
        """Where the vault has what is being authorized; raises `ServerNotFound`."""
        server = await self.get(server_id)
        server.oauth_ref = oauth_ref
        return server

    async def authorized(self, server_id: UUID) -> McpServer:
        """A person has authorized the server; raises `ServerNotFound`."""
        server = await self.get(server_id)
        server.authorized_at = datetime.now(UTC)
        return server

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


def stored_oauth(oauth: OAuthUse | None) -> dict[str, str] | None:
    """OAuth at a server, as its row has it."""
    if oauth is None:
        return None
    client = None if oauth.client is None else oauth.client.credential_ref
    said = {"grant": oauth.grant, "client_ref": client, "issuer": oauth.issuer, "scope": oauth.scope}
    return {name: value for name, value in said.items() if value is not None}


def _not_found() -> ServerNotFound:
    return ServerNotFound("There is no such MCP server.")
