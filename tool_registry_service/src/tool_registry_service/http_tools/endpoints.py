"""HTTP tools and imported APIs under `/api/v1/tools`."""

from typing import Any
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from kgents_shared.auth import OfOrganisation, Principal, named, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.errors.refs_only import refuse_secrets
from kgents_shared.http.openapi import refusals
from kgents_shared.http.refs_only import RefsOnly
from kgents_shared.http.routing import Router
from kgents_shared.http.vault import CredentialUse
from tool_registry_service.dependencies import RegistryDep, ToolsRead, ToolsWrite
from tool_registry_service.http_tools.access import check_schemas
from tool_registry_service.http_tools.definition import Placement
from tool_registry_service.http_tools.models import HttpApi
from tool_registry_service.http_tools.openapi.operations import Place
from tool_registry_service.http_tools.schemas import (
    HttpApiChange,
    HttpApiImported,
    HttpApiRefreshed,
    HttpApiView,
    HttpToolChange,
    ImportedTool,
    NewHttpApi,
    NewHttpTool,
    RefreshHttpApi,
)
from tool_registry_service.http_tools.service import is_single, suggested_of, whole_of
from tool_registry_service.registry import Registry
from tool_registry_service.tools.endpoints import view_of_tool
from tool_registry_service.tools.schemas import Acceptance, ToolView

_AGAIN = "send it, or: kgents tools refresh NAME FILE"
router = Router(prefix="/api/v1/tools", tags=["tools"])


@router.post("", status_code=201, responses=refusals(409))
async def register_http_tool(
    new: NewHttpTool, principal: ToolsWrite, registry: RegistryDep, _: RefsOnly, organisation: OfOrganisation = None
) -> ToolView:
    """Make a tool of one HTTP request, for an agent to call with arguments."""
    owner_id = owner_of_new(principal, organisation)
    await _check(registry, owner_id, new)
    async with registry.http_tools([owner_id]) as tools:
        return view_of_tool(await tools.add_tool(owner_id, new, by=principal.subject))


@router.post("/import", status_code=201, responses=refusals(409, 502))
async def import_http_api(
    new: NewHttpApi, principal: ToolsWrite, registry: RegistryDep, organisation: OfOrganisation = None
) -> HttpApiImported:
    """Make a tool of each operation that an OpenAPI document describes, named `<name>.<operation>`."""
    refuse_secrets(new.model_dump(mode="json", exclude={"document"}), "body")
    owner_id = owner_of_new(principal, organisation)
    given: object = new.document if new.url is None else await registry.http_access.document(new.url)
    read = await registry.http_access.read(given, Place(new.base_url or "", new.url), new.operations)
    read.show_credential(new.auth, has_one=new.credential_ref is not None)
    read.check_results(new.check_results)
    if new.credential_ref is not None:
        await _check_credential(registry, CredentialUse(new.credential_ref, owner_id), read.placements(), new.name)
    async with registry.http_tools([owner_id]) as tools:
        api, rows = await tools.add_api(owner_id, new, read, by=principal.subject)
        made = [
            ImportedTool(name=row.name, side_effect=row.side_effect, suggested_side_effect=suggested_of(row))
            for row in rows
        ]
        return HttpApiImported(api=_view(api), tools=made)


@router.get("/imports")
async def list_http_apis(
    page: PageQuery, principal: ToolsRead, registry: RegistryDep, organisation: OfOrganisation = None
) -> Page[HttpApiView]:
    """The imported APIs of the caller and their organisations, newest first."""
    async with registry.http_tools(owners_listed(principal, organisation)) as tools:
        return make_page(await tools.apis(page), page, item=_view, key=lambda api: (str(api.id),))


@router.get("/imports/{api_id}")
async def get_http_api(api_id: UUID, principal: ToolsRead, registry: RegistryDep) -> HttpApiView:
    """One imported API."""
    async with registry.http_tools(principal.owner_ids) as tools:
        return _view(await tools.get_api(api_id))


@router.patch("/imports/{api_id}")
async def change_http_api(
    api_id: UUID, change: HttpApiChange, principal: ToolsWrite, registry: RegistryDep, _: RefsOnly
) -> HttpApiView:
    """Give an API's tools another credential, or choose other operations for the next refresh."""
    async with registry.http_tools(principal.owner_ids) as tools:
        api, placements = await tools.get_api(api_id), await tools.placements(api_id)
        owner_id, name = api.owner_id, api.name
    if change.credential_ref is not None:
        await _check_credential(registry, CredentialUse(change.credential_ref, owner_id), placements, name)
    async with registry.http_tools(principal.owner_ids) as tools:
        return _view(await tools.change_api(api_id, change))


@router.delete("/imports/{api_id}", status_code=204)
async def delete_http_api(api_id: UUID, principal: ToolsWrite, registry: RegistryDep) -> None:
    """Forget an imported API and its tools."""
    async with registry.http_tools(principal.owner_ids) as tools:
        await tools.delete_api(api_id)


@router.post("/imports/{api_id}/refresh", responses=refusals(502))
async def refresh_http_api(
    api_id: UUID, asked: RefreshHttpApi, principal: ToolsWrite, registry: RegistryDep
) -> HttpApiRefreshed:
    """Read the document again. A changed definition switches its tool off until it is accepted."""
    async with registry.http_tools(principal.owner_ids) as tools:
        api = await tools.get_api(api_id)
        place, wanted, auth = Place(api.base_url, api.source_url), list(api.operations), api.placement
        has_credential, checks_results = api.credential_ref is not None, api.check_results
    if asked.document is None and place.document_url is None:
        fault = FaultItem(
            ("body", "document"), "is needed: this API was imported without an address", "missing", _AGAIN
        )
        raise InvalidInput("The document must be sent again.", errors=[fault])
    given: object = asked.document
    if given is None:
        given = await registry.http_access.document(place.document_url or "")
    read = await registry.http_access.read(given, place, wanted)
    read.show_credential(auth, has_one=has_credential)
    read.check_results(checks_results)
    read.tell_of_another_address(place)
    async with registry.http_tools(principal.owner_ids) as tools:
        api, found = await tools.compare(api_id, read)
        return HttpApiRefreshed(
            api=_view(api), added=found.added, changed=found.changed, removed=found.removed, unchanged=found.unchanged
        )


@router.patch("/{name}", responses=refusals(409))
async def change_tool_by_name(
    name: str, change: HttpToolChange, principal: ToolsWrite, registry: RegistryDep, _: RefsOnly
) -> ToolView:
    """Change a tool of a single HTTP request, or say what any tool does outside."""
    owner_ids, full_name = _named(principal, name)
    async with registry.http_tools(owner_ids) as tools:
        tool = await tools.tool(full_name)
        owner_id, whole = tool.owner_id, whole_of(tool, change) if is_single(tool) else None
    new = None if whole is None else _whole(whole)
    if new is not None and change.model_fields_set - {"side_effect"}:
        await _check(registry, owner_id, new)
    async with registry.http_tools(owner_ids) as tools:
        return view_of_tool(await tools.change_tool(full_name, change, new, by=principal.subject))


@router.delete("/{name}", status_code=204, responses=refusals(409))
async def delete_http_tool(name: str, principal: ToolsWrite, registry: RegistryDep) -> None:
    """Forget a tool of a single HTTP request."""
    owner_ids, full_name = _named(principal, name)
    async with registry.http_tools(owner_ids) as tools:
        await tools.delete_tool(full_name)


@router.post("/{name}/accept", responses=refusals(409))
async def accept_tool_by_name(
    name: str, acceptance: Acceptance, principal: ToolsWrite, registry: RegistryDep
) -> ToolView:
    """Pin the changed definition of a tool, and switch it on again."""
    owner_ids, full_name = _named(principal, name)
    async with registry.http_tools(owner_ids) as tools:
        return view_of_tool(await tools.accept(full_name, acceptance.definition_hash, by=principal.subject))


def _named(principal: Principal, name: str) -> tuple[list[str], str]:
    owner_id, full_name = named(principal, name)
    return [] if owner_id is None else [owner_id], full_name


def _whole(whole: Any) -> NewHttpTool:
    try:
        return NewHttpTool.model_validate(whole)
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]) from error


async def _check(registry: Registry, owner_id: str, new: NewHttpTool) -> None:
    await check_schemas(new.name, new.description, new.input_schema, new.output_schema)
    if new.credential_ref is not None:
        use = CredentialUse(new.credential_ref, owner_id)
        await _check_credential(registry, use, [new.auth or Placement()], new.name)


async def _check_credential(registry: Registry, use: CredentialUse, placements: list[Placement], name: str) -> None:
    for placement in placements or [Placement()]:
        await registry.http_access.check_credential(use, placement, name)


def _view(api: HttpApi) -> HttpApiView:
    return HttpApiView(
        id=api.id, owner_id=api.owner_id, name=api.name, title=api.title, url=api.source_url, base_url=api.base_url,
        document_hash=api.document_hash, operations=api.operations, auth=api.placement,
        credential_ref=api.credential_ref, check_results=api.check_results, warnings=api.warnings,
        created_at=api.created_at, refreshed_at=api.refreshed_at,
    )  # fmt: skip
