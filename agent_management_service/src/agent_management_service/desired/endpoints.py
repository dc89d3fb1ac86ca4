"""`/internal/agents`: what should run, for the services that see to it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import StringConstraints

from agent_management_service.dependencies import DeploymentCalls, DeploymentOrRuntimeCalls, Transaction
from agent_management_service.desired.repository import DesiredRow
from agent_management_service.publishing.events import published_agent
from agent_management_service.publishing.schemas import MAX_VERSION
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.db import Cursor, Page, PageQuery, id_in, make_page
from kgents_shared.http.routing import Router

_OwnerId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
router = Router(prefix="/internal/agents", include_in_schema=False)


@router.get("/desired")
async def list_desired(_: DeploymentCalls, page: PageQuery, work: Transaction) -> Page[PublishedAgent]:
    """Every agent that was ever announced, with the tombstones of the last seven days."""
    after = None if page.after is None else id_in(page.after)
    return make_page(await work.desired.page(page.limit, after), page, item=_state, key=_place)


@router.get("/resolve")
async def resolve_agent(
    _: DeploymentOrRuntimeCalls,
    work: Transaction,
    owner_id: Annotated[list[_OwnerId], Query(min_length=1, max_length=100)],
    agent: Annotated[str, Query(min_length=1, max_length=63, pattern=r"^[a-z0-9-]+$")],
) -> PublishedAgent:
    """An agent of one of the owners, by its id or name. Its version is null where it was never published."""
    return _state(await work.desired.resolve(frozenset(owner_id), agent))


@router.get("/{agent_id}/versions/{number}")
async def get_version_of_any_owner(
    _: DeploymentCalls, work: Transaction, agent_id: UUID, number: Annotated[int, Path(ge=1, le=MAX_VERSION)]
) -> AgentSpec:
    """What a version says, for who runs it."""
    return AgentSpec.model_validate(await work.desired.version(agent_id, number))


@router.get("/{agent_id}/versions/{number}/flow")
async def get_flow_of_any_owner(
    _: DeploymentCalls, work: Transaction, agent_id: UUID, number: Annotated[int, Path(ge=1, le=MAX_VERSION)]
) -> dict[str, Any]:
    """The flow that a version is, for who runs it."""
    return await work.flows.of_spec(agent_id, await work.desired.version(agent_id, number))


def _state(row: DesiredRow) -> PublishedAgent:
    return published_agent(*row)


def _place(row: DesiredRow) -> Cursor:
    return (str(row[0].id),)
