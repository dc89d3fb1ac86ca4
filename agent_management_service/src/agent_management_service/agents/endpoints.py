"""`/api/v1/agents`: agents and their drafts."""

from typing import Annotated, Any

from fastapi import Query, status
from fastapi.responses import JSONResponse, Response

from agent_management_service.agents.listing import AgentFilter
from agent_management_service.agents.models import AgentStatus
from agent_management_service.agents.schemas import Agent, agent_view
from agent_management_service.dependencies import (
    AgentsRead,
    AgentsWrite,
    Keyed,
    SentDefinition,
    ThisAgent,
    Transaction,
)
from agent_management_service.idempotency.service import Answer
from agent_management_service.listing import Sort
from kgents_shared.auth import OfOrganisation, owner_of_new, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["agents"])
DEFINITION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/AgentSpec"}},
            "application/toml": {"schema": {"type": "string"}},
        },
    }
}


def answer_response(answer: Answer) -> Response:
    """The response of an answer that may be a kept one."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(answer.body, answer.status, headers)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    response_model=Agent,
    openapi_extra=DEFINITION_BODY,
    responses=refusals(409, 415),
)
async def create_agent(
    principal: AgentsWrite,
    definition: SentDefinition,
    key: Keyed,
    work: Transaction,
    publish: Annotated[bool, Query(description="publish it as well")] = False,
    organisation: OfOrganisation = None,
) -> Response:
    """Make an agent from a definition in JSON or TOML: a draft, or with `publish=true` a running agent.

    A flow as Langflow exports it is a definition as well: it is checked, and kept whole beside the agent's draft.
    """

    owner_id = owner_of_new(principal, organisation)

    async def create() -> Answer:
        row = await work.agents.create(owner_id, definition.spec, definition.flow)
        if publish:
            row = await work.publishing.publish_new(row)
        body = agent_view(row, principal).model_dump(mode="json")
        return Answer(status.HTTP_201_CREATED, body, f"/api/v1/agents/{row.id}")

    return answer_response(await work.once.do(key, create))


@router.get("")
async def list_agents(
    principal: AgentsRead,
    page: PageQuery,
    work: Transaction,
    name: Annotated[str | None, Query(pattern="^[a-z0-9-]{1,63}$", description="names that begin so")] = None,
    status: AgentStatus | None = None,
    sort: Sort = "created_at",
    organisation: OfOrganisation = None,
) -> Page[Agent]:
    """The agents of the caller and their organisations, or of one organisation."""
    wanted = AgentFilter(name, sort, status)
    rows = await work.agents.page(owners_listed(principal, organisation), wanted, page)
    return make_page(rows, page, item=lambda row: agent_view(row, principal), key=wanted.cursor_of)


@router.get("/{agent}")
async def get_agent(principal: AgentsRead, agent: ThisAgent, work: Transaction) -> Agent:
    """One agent by id, name or `organisation~name`."""
    return agent_view(await work.agents.get(agent), principal)


@router.put("/{agent}", openapi_extra=DEFINITION_BODY, responses=refusals(415))
async def replace_draft(
    principal: AgentsWrite, agent: ThisAgent, definition: SentDefinition, work: Transaction
) -> Agent:
    """Replace the draft; what is published goes on unchanged until the next publish."""
    return agent_view(await work.agents.replace_draft(agent, definition.spec, definition.flow), principal)


@router.delete("/{agent}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_agent(principal: AgentsWrite, agent: ThisAgent, work: Transaction) -> None:
    """Delete the agent and tear down what runs of it."""
    await work.publishing.delete(agent)
