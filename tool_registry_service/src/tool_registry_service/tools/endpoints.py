"""`/api/v1/tools`, and what the runtime asks for an agent."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from kgents_shared.auth import OfOrganisation, named, owners_listed
from kgents_shared.contracts.tools import KnownTool, KnownTools, ResolvedTools, ResolveToolsRequest
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.routing import Router
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.builtin_tools.listing import wanted_of
from tool_registry_service.calls import ToolKind
from tool_registry_service.dependencies import ManagementOnly, RegistryDep, RuntimeOnly, ToolsRead
from tool_registry_service.http_tools.definition import StoredDefinition
from tool_registry_service.permissions.decision import Asked, denial, denied_to_all
from tool_registry_service.registry import Registry
from tool_registry_service.tools.differences import differences
from tool_registry_service.tools.models import Tool, ToolState, ToolVersion
from tool_registry_service.tools.repository import ToolFilter
from tool_registry_service.tools.schemas import HttpRequestView, PendingDefinition, ToolVersionView, ToolView

router = Router(prefix="/api/v1/tools", tags=["tools"])


class ToolQuery:
    """Which tools a list is of."""

    def __init__(
        self,
        server_id: Annotated[UUID | None, Query(description="of this MCP server alone")] = None,
        q: Annotated[str | None, Query(max_length=200, description="words of the name or the description")] = None,
        capability: Annotated[str | None, Query(max_length=100, description="what a capability covers")] = None,
        kind: Annotated[ToolKind | None, Query(description="of this kind alone")] = None,
        state: Annotated[ToolState | None, Query(description="in this state alone")] = None,
    ) -> None:
        self._wanted = ToolFilter(server_id, q or None, kind, state)
        self._capability = capability

    async def of(self, registry: Registry, owners: Collection[str]) -> ToolFilter:
        """The same, with the capability's patterns."""
        if self._capability is None:
            return self._wanted
        patterns: set[str] = set()
        for owner_id in owners:
            rules = await registry.permissions.rules_of(owner_id)
            patterns.update(rules.capabilities.get(self._capability, ()))
        return replace(self._wanted, patterns=patterns)


Wanted = Annotated[ToolQuery, Depends()]
internal_router = Router(prefix="/internal/tools", include_in_schema=False)


@router.get("")
async def list_tools(
    page: PageQuery,
    principal: ToolsRead,
    registry: RegistryDep,
    wanted: Wanted,
    organisation: OfOrganisation = None,
) -> Page[ToolView]:
    """The tools of the caller and their organisations, and the builtin ones, by name: all, or those asked for."""
    owners = owners_listed(principal, organisation)
    async with registry.tools(owners) as tools:
        asked = await wanted.of(registry, owners)
        found = [(tool.name, str(tool.id), view_of_tool(tool)) for tool in await tools.page(page, asked)]
    if organisation is None:
        builtin = wanted_of(registry.builtin.definitions, asked, page.after[0] if page.after else None)
        found += [(definition.name, "", view_of_builtin(definition)) for definition in builtin]
    found = sorted(found, key=lambda entry: entry[:2])[: page.limit + 1]
    return make_page(found, page, item=lambda entry: entry[2], key=lambda entry: entry[:2])


@router.get("/{name}/versions")
async def list_tool_versions(
    name: str, page: PageQuery, principal: ToolsRead, registry: RegistryDep
) -> Page[ToolVersionView]:
    """Every definition of a tool that was pinned, newest first."""
    owner_id, full_name = named(principal, name)
    async with registry.tools([] if owner_id is None else [owner_id]) as tools:
        rows = await tools.versions(full_name, page)
    return make_page(rows, page, item=_view_of_version, key=lambda row: (str(row.version),))


@router.get("/{name}")
async def get_tool(name: str, principal: ToolsRead, registry: RegistryDep) -> ToolView:
    """One tool by its full name: `<server>.<tool>`, or `<organisation>~<server>.<tool>`."""
    owner_id, full_name = named(principal, name)
    if (builtin := registry.builtin.definition(name)) is not None:
        return view_of_builtin(builtin)
    async with registry.tools([] if owner_id is None else [owner_id]) as tools:
        return view_of_tool(await tools.get(full_name))


@internal_router.post("/resolve")
async def resolve_tools(asked: ResolveToolsRequest, _: RuntimeOnly, registry: RegistryDep) -> ResolvedTools:
    """The tools of an owner that an agent may call, as its model sees them."""
    rules, denied_here = await registry.permissions.rules_of(asked.owner_id), registry.permissions.denied_here

    def is_allowed(tool: str) -> bool:
        return denial(Asked(tool, asked.agent_name, asked.allow, asked.deny), rules, denied_here) is None

    async with registry.tools([asked.owner_id]) as tools:
        found = await tools.resolve(is_allowed)
    async with registry.costs([asked.owner_id]) as costs:
        prices = await costs.prices()
    builtin = [one.shown for one in registry.builtin.definitions if is_allowed(one.name)]
    # A builtin tool's name is nobody else's, also where somebody had it before.
    taken = {tool.name for tool in builtin}
    tools_of_model = (*(tool for tool in found if tool.name not in taken), *builtin)
    known = {tool.name: prices[tool.name] for tool in tools_of_model if tool.name in prices}
    return ResolvedTools(tools=tools_of_model, prices=known)


@internal_router.get("/known")
async def known_tools(owner_id: str, _: ManagementOnly, registry: RegistryDep) -> KnownTools:
    """Every tool of an owner and whether it can be called: what definitions are checked against."""
    rules, denied_here = await registry.permissions.rules_of(owner_id), registry.permissions.denied_here
    async with registry.tools([owner_id]) as tools:
        known = await tools.known(lambda tool: denied_to_all(tool, rules, denied_here))
    for name in registry.builtin.callable:
        state = "denied" if denied_to_all(name, rules, denied_here) else "active"
        known = [*(tool for tool in known if tool.name != name), KnownTool(name=name, state=state)]
    capabilities = {name: tuple(patterns) for name, patterns in rules.capabilities.items()}
    return KnownTools(tools=tuple(known), capabilities=capabilities)


def view_of_tool(tool: Tool) -> ToolView:
    """A tool as it goes over the wire."""
    return ToolView(
        name=tool.name,
        kind=tool.kind,
        owner_id=tool.owner_id,
        server_id=tool.server_id,
        api_id=tool.api_id,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        http=_http(tool.definition),
        definition_hash=tool.definition_hash,
        version=tool.version,
        side_effect=tool.side_effect,
        state=tool.state,
        pending=None if tool.pending is None else _pending(tool, tool.pending),
        created_at=tool.created_at,
        updated_at=tool.updated_at,
    )


def view_of_builtin(definition: BuiltinDefinition) -> ToolView:
    """A builtin tool as it goes over the wire."""
    return ToolView(
        name=definition.name,
        kind="builtin",
        owner_id=None,
        server_id=None,
        api_id=None,
        description=definition.description,
        input_schema=definition.input_schema,
        output_schema=None,
        http=None,
        definition_hash=definition.definition_hash,
        version=1,
        side_effect=definition.side_effect,
        state="active",
        pending=None,
        created_at=None,
        updated_at=None,
    )


def _http(definition: dict[str, Any] | None) -> HttpRequestView | None:
    if definition is None:
        return None
    stored = StoredDefinition.model_validate(definition)
    return HttpRequestView(
        request=stored.sending,
        auth=stored.placement,
        credential_ref=stored.credential_ref,
        suggested_side_effect=stored.suggested,
    )


def _view_of_version(row: ToolVersion) -> ToolVersionView:
    return ToolVersionView(
        version=row.version,
        description=row.description,
        input_schema=row.input_schema,
        output_schema=row.output_schema,
        http=_http(row.definition),
        definition_hash=row.definition_hash,
        pinned_by=row.pinned_by,
        pinned_at=row.pinned_at,
    )


def _pending(tool: Tool, pending: dict[str, Any]) -> PendingDefinition:
    given = {name: value for name, value in pending.items() if name != "definition"}
    pinned = {name: getattr(tool, name) for name in ("description", "input_schema", "output_schema", "definition")}
    diff = differences(pinned, {name: pending.get(name) for name in pinned})
    return PendingDefinition(**given, http=_http(pending.get("definition")), diff=diff)
