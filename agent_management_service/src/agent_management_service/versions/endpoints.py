"""`/api/v1/agents/{agent}/versions` and what differs between them."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from agent_management_service.dependencies import AgentsRead, ThisAgent, Transaction
from agent_management_service.publishing.schemas import MAX_VERSION
from agent_management_service.versions.models import VersionRow
from agent_management_service.versions.paging import number_before
from agent_management_service.versions.schemas import Difference, Version
from kgents_shared.db import Cursor, Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

_Number = Annotated[int, Field(ge=1, le=MAX_VERSION)]
router = Router(prefix="/api/v1/agents", tags=["versions"])


@router.get("/{agent}/versions")
async def list_versions(principal: AgentsRead, agent: ThisAgent, page: PageQuery, work: Transaction) -> Page[Version]:
    """The agent's versions, newest first."""
    before = None if page.after is None else number_before(page.after)
    row = await work.agents.get(agent)
    rows = await work.versions.page(row.id, page.limit, before)
    return make_page(rows, page, item=Version.model_validate, key=_place)


@router.get("/{agent}/versions/{number}")
async def get_version(
    principal: AgentsRead, agent: ThisAgent, number: Annotated[_Number, Path()], work: Transaction
) -> Version:
    """One version."""
    row = await work.agents.get(agent)
    return Version.model_validate(await work.versions.get(row.id, number))


@router.get("/{agent}/diff", responses=refusals(409))
async def compare_versions(
    principal: AgentsRead,
    agent: ThisAgent,
    work: Transaction,
    old: Annotated[_Number | None, Query(alias="from", description="a version; without it, the one in force")] = None,
    new: Annotated[_Number | None, Query(alias="to", description="a version; without it, the draft")] = None,
) -> Difference:
    """What changes from one version to another, or to the draft, field by field."""
    return await work.comparing.difference(agent, old, new)


def _place(row: VersionRow) -> Cursor:
    return (str(row.number),)
