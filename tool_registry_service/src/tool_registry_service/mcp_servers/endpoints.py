"""`/api/v1/mcp-servers` (DESIGN §12)."""

from uuid import UUID

from fastapi import APIRouter

from kgents_shared.auth import OfOrganisation, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page, new_id
from kgents_shared.http.openapi import refusals
from kgents_shared.http.refs_only import RefsOnly
from kgents_shared.http.vault import CredentialUse
from tool_registry_service.dependencies import RegistryDep, ToolsRead, ToolsWrite
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.mcp_servers.discovery import offer_from
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.mcp_servers.schemas import Empty, McpServerView, NewMcpServer, RefreshView
from tool_registry_service.tools.endpoints import view_of_tool
from tool_registry_service.tools.schemas import Acceptance, ToolChange, ToolView

router = APIRouter(prefix="/api/v1/mcp-servers", tags=["tools"])


@router.post("", status_code=201, responses=refusals(409, 502))
async def register_mcp_server(
    new: NewMcpServer,
    principal: ToolsWrite,
    registry: RegistryDep,
    _: RefsOnly,
    organisation: OfOrganisation = None,
) -> McpServerView:
    """Register an MCP server: it is connected to, and the definitions of its tools are pinned."""
    owner_id = owner_of_new(principal, organisation)
    if new.command is not None:
        registry.maker.stdio.allowed(new.command)
    async with registry.servers([owner_id]) as servers:
        await servers.check_name_is_free(new.name)
    used = None if new.credential_ref is None else CredentialUse(new.credential_ref, owner_id)
    target = ServerTarget(new_id(), new.name, new.transport, new.url, new.command, tuple(new.args), used)
    try:
        offer = await offer_from(registry.sessions, target)
        async with registry.servers([owner_id]) as servers:
            return _view(await servers.add(owner_id, target, offer, new.side_effect))
    except BaseException:
        await registry.sessions.drop(target.id)
        raise


@router.get("")
async def list_mcp_servers(
    page: PageQuery, principal: ToolsRead, registry: RegistryDep, organisation: OfOrganisation = None
) -> Page[McpServerView]:
    """The MCP servers of the caller and their organisations, newest first."""
    async with registry.servers(owners_listed(principal, organisation)) as servers:
        return make_page(await servers.page(page), page, item=_view, key=lambda server: (str(server.id),))


@router.get("/{server_id}")
async def get_mcp_server(server_id: UUID, principal: ToolsRead, registry: RegistryDep) -> McpServerView:
    """One MCP server."""
    async with registry.servers(principal.owner_ids) as servers:
        return _view(await servers.get(server_id))


@router.delete("/{server_id}", status_code=204)
async def delete_mcp_server(server_id: UUID, principal: ToolsWrite, registry: RegistryDep) -> None:
    """Forget a server and its tools, and end the session with it."""
    async with registry.servers(principal.owner_ids) as servers:
        await servers.delete(server_id)
    await registry.sessions.drop(server_id)


@router.post("/{server_id}/refresh", responses=refusals(409, 502))
async def refresh_mcp_server(server_id: UUID, _: Empty, principal: ToolsWrite, registry: RegistryDep) -> RefreshView:
    """Ask the server for its definitions again. A changed one switches its tool off until it is accepted."""
    async with registry.servers(principal.owner_ids) as servers:
        target = (await servers.get(server_id)).target
    offer = await offer_from(registry.sessions, target)
    async with registry.servers(principal.owner_ids) as servers:
        server, found = await servers.compare(server_id, offer)
        return RefreshView(
            server=_view(server), added=found.added, changed=found.changed, removed=found.removed,
            unchanged=found.unchanged,
        )  # fmt: skip


@router.patch("/{server_id}/tools/{tool}")
async def change_tool(
    server_id: UUID, tool: str, change: ToolChange, principal: ToolsWrite, registry: RegistryDep
) -> ToolView:
    """Say what calls of a tool do outside; those of an external one wait for a person's approval."""
    async with registry.tools(principal.owner_ids) as tools:
        return view_of_tool(await tools.set_side_effect(server_id, tool, change.side_effect))


@router.post("/{server_id}/tools/{tool}/accept", responses=refusals(409))
async def accept_tool_definition(
    server_id: UUID, tool: str, acceptance: Acceptance, principal: ToolsWrite, registry: RegistryDep
) -> ToolView:
    """Pin the changed definition of a tool, and switch it on again."""
    async with registry.tools(principal.owner_ids) as tools:
        return view_of_tool(await tools.accept(server_id, tool, acceptance.definition_hash))


def _view(server: McpServer) -> McpServerView:
    return McpServerView(
        id=server.id, owner_id=server.owner_id, name=server.name, transport=server.transport,
        url=server.url, command=server.command, args=server.args, credential_ref=server.credential_ref,
        warnings=server.warnings, created_at=server.created_at, refreshed_at=server.refreshed_at,
    )  # fmt: skip
