"""`/api/v1/mcp-servers/{id}/resources` and `/prompts`: asked of the server each time, kept nowhere."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kgents_shared.auth import Principal
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import RegistryDep, ToolsInvoke, ToolsRead
from tool_registry_service.mcp_contents.schemas import (
    FilledPrompt,
    PromptFilling,
    Prompts,
    ResourceContents,
    Resources,
)
from tool_registry_service.mcp_contents.service import ContentService
from tool_registry_service.registry import Registry

router = Router(prefix="/api/v1/mcp-servers/{server_id}", tags=["tools"])
Uri = Annotated[str, Query(max_length=2000, pattern=r"^[a-zA-Z][a-zA-Z0-9+.-]*:[\x21-\x7e]+$")]


@router.get("/resources", responses=refusals(502))
async def list_resources(server_id: UUID, principal: ToolsRead, registry: RegistryDep) -> Resources:
    """The resources that a server offers now."""
    return await (await _contents(registry, principal, server_id)).resources()


@router.get("/resources/read", responses=refusals(502))
async def read_resource(
    server_id: UUID, uri: Uri, principal: ToolsInvoke, registry: RegistryDep, response: Response
) -> ResourceContents:
    """What is in a resource of a server."""
    response.headers["Cache-Control"] = "no-store"
    return await (await _contents(registry, principal, server_id)).resource(uri)


@router.get("/prompts", responses=refusals(502))
async def list_prompts(server_id: UUID, principal: ToolsRead, registry: RegistryDep) -> Prompts:
    """The prompts that a server offers now."""
    return await (await _contents(registry, principal, server_id)).prompts()


@router.post("/prompts/fill", responses=refusals(502))
async def fill_prompt(
    server_id: UUID, wanted: PromptFilling, principal: ToolsInvoke, registry: RegistryDep
) -> FilledPrompt:
    """A prompt of a server with its arguments put in."""
    return await (await _contents(registry, principal, server_id)).prompt(wanted)


async def _contents(registry: Registry, principal: Principal, server_id: UUID) -> ContentService:
    async with registry.servers(principal.owner_ids) as servers:
        target = (await servers.get(server_id)).target
    return ContentService(registry.sessions, target)
