"""`/api/v1/mcp-servers` (DESIGN §12)."""

from dataclasses import replace
from uuid import UUID

from kgents_shared.auth import OfOrganisation, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page, new_id
from kgents_shared.http.openapi import refusals
from kgents_shared.http.refs_only import RefsOnly
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import RegistryDep, ToolsRead, ToolsWrite
from tool_registry_service.mcp_client.targets import ServerRow
from tool_registry_service.mcp_servers.changing import as_stored, changed, waits_for_a_person
from tool_registry_service.mcp_servers.discovery import offer_from
from tool_registry_service.mcp_servers.schemas import (
    Empty,
    McpServerChange,
    McpServerHealth,
    McpServerView,
    NewMcpServer,
    RefreshView,
)
from tool_registry_service.mcp_servers.views import view_of_health, view_of_refresh, view_of_server
from tool_registry_service.tools.definitions import Offer
from tool_registry_service.tools.endpoints import view_of_tool
from tool_registry_service.tools.pinning import Comparison
from tool_registry_service.tools.schemas import Acceptance, ToolChange, ToolView
from tool_registry_service.wasm_tools.parts import WasmDep
from tool_registry_service.wasm_tools.registration import offer_of_server, registered

router = Router(prefix="/api/v1/mcp-servers", tags=["tools"])
_NOT_YET = "It has no tools before it is authorized (POST …/authorize, or kgents mcp authorize)."


@router.post("", status_code=201, responses=refusals(409, 502))
async def register_mcp_server(
    new: NewMcpServer,
    principal: ToolsWrite,
    registry: RegistryDep,
    _: RefsOnly,
    wasm: WasmDep,
    organisation: OfOrganisation = None,
) -> McpServerView:
    """Register an MCP server: it is connected to, and the definitions of its tools are pinned."""
    owner_id = owner_of_new(principal, organisation)
    if new.wasm is not None:
        # What is granted nothing reaches nothing outside, unless its owner knows better.
        side_effect = new.side_effect if "side_effect" in new.model_fields_set else "none"
        return view_of_server(await registered(wasm, owner_id, new.name, new.wasm, side_effect))
    if new.command is not None:
        registry.maker.stdio.allowed(new.command)
    async with registry.servers([owner_id]) as servers:
        await servers.check_name_is_free(new.name)
    target = ServerRow(
        new_id(), new.name, new.transport, new.url, new.command, new.args, new.credential_ref, owner_id, new.headers,
        as_stored(new.oauth), None,
    ).target  # fmt: skip
    try:
        await registry.authorizations.check(target)
        offer = (
            Offer(warnings=[_NOT_YET]) if waits_for_a_person(target) else await offer_from(registry.sessions, target)
        )
        async with registry.servers([owner_id]) as servers:
            return view_of_server(await servers.add(owner_id, target, offer, new.side_effect))
    except BaseException:
        await registry.sessions.drop(target.id)
        registry.authorizations.tokens.drop(target.id)
        raise


@router.get("")
async def list_mcp_servers(
    page: PageQuery, principal: ToolsRead, registry: RegistryDep, organisation: OfOrganisation = None
) -> Page[McpServerView]:
    """The MCP servers of the caller and their organisations, newest first."""
    async with registry.servers(owners_listed(principal, organisation)) as servers:
        return make_page(await servers.page(page), page, item=view_of_server, key=lambda server: (str(server.id),))


@router.get("/{server_id}")
async def get_mcp_server(server_id: UUID, principal: ToolsRead, registry: RegistryDep) -> McpServerView:
    """One MCP server."""
    async with registry.servers(principal.owner_ids) as servers:
        return view_of_server(await servers.get(server_id))


@router.delete("/{server_id}", status_code=204)
async def delete_mcp_server(server_id: UUID, principal: ToolsWrite, registry: RegistryDep, wasm: WasmDep) -> None:
    """Forget a server, its tools and what was authorized, and end the sessions with it."""
    async with registry.servers(principal.owner_ids) as servers:
        oauth = (await servers.get(server_id)).target.oauth
        await servers.delete(server_id)
    await registry.sessions.drop(server_id)
    await wasm.pool.drop(server_id)
    wasm.pool.forget(server_id)
    await registry.authorizations.tokens.forget(server_id, None if oauth is None else oauth.kept)


@router.patch("/{server_id}", responses=refusals(409, 502))
async def change_mcp_server(
    server_id: UUID, change: McpServerChange, principal: ToolsWrite, registry: RegistryDep, _: RefsOnly
) -> RefreshView:
    """Change a server's name, or how it is reached.

    It is then asked for its definitions there: a tool whose definition is another one stays off until that is
    accepted. What its owner authorized was for the address that it had, and is deleted where that changes.
    """
    async with registry.servers(principal.owner_ids) as servers:
        before = (await servers.get(server_id)).target
    target = changed(before, change)
    moved = replace(target, name=before.name) != before
    offer = None
    await registry.authorizations.check(target)
    if moved and not waits_for_a_person(target):
        # Under another id, so that calls which are out go on until it is known that the new way is good.
        tried = replace(target, id=new_id())
        try:
            offer = await offer_from(registry.sessions, tried)
        finally:
            await registry.sessions.drop(tried.id)
            registry.authorizations.tokens.drop(tried.id)
    async with registry.servers(principal.owner_ids) as servers:
        server = await servers.change(server_id, target)
        found = Comparison() if offer is None else (await servers.compare(server_id, offer))[1]
        seen = view_of_refresh(server, found)
    if moved and before.oauth is not None and (target.oauth is None or target.oauth.kept is None):
        await registry.authorizations.tokens.forget(server_id, before.oauth.kept)
    return seen


@router.get("/{server_id}/health")
async def get_mcp_server_health(
    server_id: UUID, principal: ToolsRead, registry: RegistryDep, wasm: WasmDep
) -> McpServerHealth:
    """How a server has been, as the process that answers has seen it; nothing is asked of the server."""
    async with registry.servers(principal.owner_ids) as servers:
        target = (await servers.get(server_id)).target
    seen = wasm.pool.health(server_id) if target.transport == "wasm" else registry.sessions.health(server_id)
    return view_of_health(target, seen, registry.maker.stdio.log_of(server_id))


@router.post("/{server_id}/refresh", responses=refusals(409, 502))
async def refresh_mcp_server(
    server_id: UUID, _: Empty, principal: ToolsWrite, registry: RegistryDep, wasm: WasmDep
) -> RefreshView:
    """Ask the server for its definitions again. A changed one switches its tool off until it is accepted."""
    async with registry.servers(principal.owner_ids) as servers:
        target = (await servers.get(server_id)).target
    reads = offer_of_server(wasm, target) if target.transport == "wasm" else offer_from(registry.sessions, target)
    offer = await reads
    async with registry.servers(principal.owner_ids) as servers:
        return view_of_refresh(*await servers.compare(server_id, offer))


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
        return view_of_tool(await tools.accept(server_id, tool, acceptance.definition_hash, by=principal.subject))
