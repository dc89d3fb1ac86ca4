"""`/api/v1/governance/policies`: policies in Cedar, and what they would decide."""

from typing import Literal
from uuid import UUID

from fastapi.responses import PlainTextResponse

from governance_service.dependencies import Policies, PoliciesRead, PoliciesWrite
from governance_service.policies.models import EVERYBODY
from governance_service.policies.repository import PolicyFilter
from governance_service.policies.schemas import (
    DecidedBy,
    NewPolicy,
    PolicyChange,
    PolicyCheck,
    PolicyCheckView,
    PolicyName,
    PolicyVersionView,
    PolicyView,
    version_of,
    view_of,
)
from governance_service.policies.service import TRIED, check_may_govern
from kgents_shared.auth import OfOrganisation, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router
from kgents_shared.policies.schema import schema_text

router = Router(prefix="/api/v1/governance/policies", tags=["policies"])


@router.get("")
async def list_policies(
    principal: PoliciesRead,
    policies: Policies,
    page: PageQuery,
    level: Literal["platform", "owner"] | None = None,
    name: PolicyName | None = None,
    enabled: bool | None = None,
    organisation: OfOrganisation = None,
) -> Page[PolicyView]:
    """The policies that calls of the caller's tools are held against: theirs and the platform's; newest first."""
    owners = frozenset[str]() if level == "platform" else owners_listed(principal, organisation)
    owners |= frozenset[str]() if level == "owner" else {EVERYBODY}
    rows = await policies.page(owners, PolicyFilter(name, enabled), page)
    return make_page(rows, page, item=view_of, key=lambda row: (str(row.id),))


@router.post("", status_code=201, responses=refusals(409))
async def make_policy(
    principal: PoliciesWrite, policies: Policies, body: NewPolicy, organisation: OfOrganisation = None
) -> PolicyView:
    """Make a policy. It holds everywhere within a second; what is wrong with its text is told by line and column."""
    if body.level == "platform":
        check_may_govern(principal)
        return view_of(await policies.make(principal, EVERYBODY, body))
    return view_of(await policies.make(principal, owner_of_new(principal, organisation), body))


@router.get("/schema", response_class=PlainTextResponse)
async def get_policy_schema(_: PoliciesRead) -> str:
    """What policies can speak of, in Cedar's language for schemas."""
    return schema_text()


@router.post("/check")
async def check_policy(
    principal: PoliciesRead, policies: Policies, body: PolicyCheck, organisation: OfOrganisation = None
) -> PolicyCheckView:
    """What would become of a call: by the policies in force, and by a text that is tried. Nothing is kept or called."""
    decision = await policies.check(principal, owner_of_new(principal, organisation), body)
    rules = [
        DecidedBy(
            level=rule.level, policy_id=None if rule.policy_id == TRIED else UUID(rule.policy_id), policy=rule.policy,
            rule=rule.rule, reason=rule.reason,
        )
        for rule in decision.rules
    ]  # fmt: skip
    return PolicyCheckView(allowed=decision.allowed, reason=decision.reason, rules=rules)


@router.get("/{policy_id}")
async def get_policy(principal: PoliciesRead, policies: Policies, policy_id: UUID) -> PolicyView:
    """One policy."""
    return view_of(await policies.get(principal, policy_id))


@router.get("/{policy_id}/versions")
async def list_policy_versions(principal: PoliciesRead, policies: Policies, policy_id: UUID) -> Page[PolicyVersionView]:
    """What it was and who changed it, newest first, all on one page."""
    return Page(items=[version_of(row) for row in await policies.versions(principal, policy_id)])


@router.put("/{policy_id}", responses=refusals(409))
async def change_policy(
    principal: PoliciesWrite, policies: Policies, policy_id: UUID, body: PolicyChange
) -> PolicyView:
    """Change a policy; one of the platform is an administrator's. It holds everywhere within a second."""
    return view_of(await policies.change(principal, policy_id, body))


@router.delete("/{policy_id}", status_code=204)
async def delete_policy(principal: PoliciesWrite, policies: Policies, policy_id: UUID) -> None:
    """End a policy, everywhere within a second; what it was stays known."""
    await policies.delete(principal, policy_id)
