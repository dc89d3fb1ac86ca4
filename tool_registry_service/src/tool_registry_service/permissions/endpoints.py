"""`/api/v1/tools/{permissions,capabilities,denials}`."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import AwareDatetime

from kgents_shared.auth import OfOrganisation, Principal, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.errors import Forbidden
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import RegistryDep, ToolsRead, ToolsWrite
from tool_registry_service.permissions.models import EVERYBODY, PermissionRule, ToolCapability
from tool_registry_service.permissions.repository import DenialCount, DenialFilter, RuleFilter
from tool_registry_service.permissions.schemas import (
    AgentName,
    CapabilityBody,
    CapabilityView,
    DenialCountView,
    DeniedBy,
    NewRule,
    RuleView,
)

router = Router(prefix="/api/v1/tools", tags=["tools"])
GOVERN = "platform:govern"
CapabilityName = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
OfSystem = Annotated[Literal["system", "owner"], Query(description="system: the platform's, an administrator's work")]
ToolName = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f]+$")]


@router.get("/permissions")
async def list_permission_rules(
    page: PageQuery,
    principal: ToolsRead,
    registry: RegistryDep,
    effect: Literal["allow", "deny"] | None = None,
    agent: AgentName | None = None,
    organisation: OfOrganisation = None,
) -> Page[RuleView]:
    """The rules that calls of the caller's agents, and of their organisations', are held against; newest first."""
    owners = owners_listed(principal, organisation) | {EVERYBODY}
    async with registry.permission_rules(owners) as permissions:
        return make_page(
            await permissions.page(RuleFilter(effect, agent), page), page, item=_view, key=lambda rule: (str(rule.id),)
        )


@router.post("/permissions", status_code=201, responses={200: {"model": RuleView}, **refusals(409)})
async def add_permission_rule(
    new: NewRule,
    principal: ToolsWrite,
    registry: RegistryDep,
    response: Response,
    organisation: OfOrganisation = None,
) -> RuleView:
    """Allow or deny tools, from the next call on. A rule that there is already is given back with 200."""
    owner_id = _owner(principal, organisation, new.level == "system")
    async with registry.permission_rules([owner_id]) as permissions:
        rule, is_new, warnings = await permissions.add(owner_id, new, principal.subject)
        if not is_new:
            response.status_code = 200
        return _view(rule, warnings)


@router.delete("/permissions/{rule_id}", status_code=204)
async def remove_permission_rule(rule_id: UUID, principal: ToolsWrite, registry: RegistryDep) -> None:
    """Take a rule back, from the next call on. One of the platform is an administrator's."""
    owners = principal.owner_ids | ({EVERYBODY} if GOVERN in principal.scopes else frozenset[str]())
    async with registry.permission_rules(owners) as permissions:
        await permissions.remove(rule_id)


@router.get("/capabilities")
async def list_capabilities(
    principal: ToolsRead, registry: RegistryDep, organisation: OfOrganisation = None
) -> Page[CapabilityView]:
    """The names for groups of tools: the caller's, their organisations' and the platform's, all on one page."""
    async with registry.permission_rules(owners_listed(principal, organisation) | {EVERYBODY}) as permissions:
        return Page(items=[_capability(row) for row in await permissions.capabilities()])


@router.get("/capabilities/{capability}")
async def get_capability(
    capability: CapabilityName, principal: ToolsRead, registry: RegistryDep, organisation: OfOrganisation = None
) -> CapabilityView:
    """What a name stands for: the caller's own meaning, or else the platform's."""
    owner_id = owner_of_new(principal, organisation)
    async with registry.permission_rules([owner_id, EVERYBODY]) as permissions:
        return _capability(await permissions.capability([owner_id, EVERYBODY], capability))


@router.put("/capabilities/{capability}", status_code=200, responses={201: {"model": CapabilityView}, **refusals(409)})
async def put_capability(
    capability: CapabilityName,
    body: CapabilityBody,
    principal: ToolsWrite,
    registry: RegistryDep,
    response: Response,
    organisation: OfOrganisation = None,
    level: OfSystem = "owner",
) -> CapabilityView:
    """Say which tools a name stands for, from the next call on."""
    owner_id = _owner(principal, organisation, level == "system")
    async with registry.permission_rules([owner_id]) as permissions:
        row, is_new = await permissions.put_capability(owner_id, capability, body, principal.subject)
        if is_new:
            response.status_code = 201
        return _capability(row)


@router.delete("/capabilities/{capability}", status_code=204, responses=refusals(409))
async def delete_capability(
    capability: CapabilityName,
    principal: ToolsWrite,
    registry: RegistryDep,
    organisation: OfOrganisation = None,
    level: OfSystem = "owner",
) -> None:
    """Forget a name that no rule uses."""
    owner_id = _owner(principal, organisation, level == "system")
    async with registry.permission_rules([owner_id]) as permissions:
        await permissions.remove_capability(owner_id, capability)


@router.get("/denials")
async def count_denials(
    principal: ToolsRead,
    registry: RegistryDep,
    agent: AgentName | None = None,
    tool: ToolName = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    organisation: OfOrganisation = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[DenialCountView]:
    """How often calls were denied, by day, agent, tool and what denied them; the newest days first."""
    async with registry.denials(owners_listed(principal, organisation)) as denials:
        counts = await denials.counts(DenialFilter(agent, tool, since, until), limit)
    return Page(items=[_count(row) for row in counts])


def _owner(principal: Principal, organisation: str | None, of_system: bool) -> str:
    if not of_system:
        return owner_of_new(principal, organisation)
    if GOVERN not in principal.scopes:
        raise Forbidden(f"This needs the scope {GOVERN}, which the token doesn't have.", code="scope_missing")
    return EVERYBODY


def _view(rule: PermissionRule, warnings: list[str] | None = None) -> RuleView:
    return RuleView(
        id=rule.id, level="system" if rule.owner_id == EVERYBODY else "agent" if rule.agent else "owner",
        owner_id=rule.owner_id or None, agent=rule.agent or None, effect=rule.effect, pattern=rule.pattern,
        note=rule.note, created_by=rule.created_by, created_at=rule.created_at, warnings=warnings or [],
    )  # fmt: skip


def _capability(row: ToolCapability) -> CapabilityView:
    return CapabilityView(
        name=row.name, owner_id=row.owner_id or None, description=row.description, patterns=row.patterns,
        updated_by=row.updated_by, updated_at=row.updated_at,
    )  # fmt: skip


def _count(row: DenialCount) -> DenialCountView:
    by = DeniedBy(level=row.level, pattern=row.pattern, policy=row.policy, rule=row.rule)
    return DenialCountView(
        day=row.day, owner_id=row.owner_id, agent=row.agent, tool=row.tool, denied_by=by, calls=row.count
    )
