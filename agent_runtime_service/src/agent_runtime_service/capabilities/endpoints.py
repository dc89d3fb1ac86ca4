"""`/api/v1/capabilities`: what the caller's agents can do, and messages to whoever can."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import StringConstraints

from agent_runtime_service.capabilities.registry import CapabilityRegistry, KnownAgent
from agent_runtime_service.capabilities.schemas import (
    CapabilityAnswer,
    CapabilityMessage,
    CapabilityView,
    CapabilityWaiting,
    CapableAgent,
    DeliveryView,
)
from agent_runtime_service.capabilities.service import Call
from agent_runtime_service.dependencies import (
    AgentFinderDep,
    AgentsInvoke,
    AgentsRead,
    AskingDep,
    CapabilitiesDep,
    DeliveriesDep,
    MessagesDep,
    RunsRead,
    ToolsCalls,
)
from agent_runtime_service.errors import CapabilityNotFound
from agent_runtime_service.messages.answering import KEY_HEADER, answered, given_key
from agent_runtime_service.messages.finder import meant_agent
from agent_runtime_service.messages.schemas import MessageRequest
from kgents_shared.contracts.agent_spec import Capability
from kgents_shared.contracts.asking import AskCapability, AskedAnswer
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/capabilities", tags=["capabilities"])
internal_router = Router(prefix="/internal/capabilities", include_in_schema=False)
_MOST_CHARS = 64
OfCapability = Annotated[Capability | None, Query(description="only what was sent to this capability")]
OfAgent = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=128)] | None,
    Query(description="only what this agent (a name, `organisation~name` or an id) was given"),
]


@router.get("")
async def list_capabilities(
    page: PageQuery, principal: AgentsRead, capabilities: CapabilitiesDep
) -> Page[CapabilityView]:
    """What the agents that run can do, by name: the caller's own agents and their organisations'.

    It follows deployments as they happen. An agent that is being started again may be missing for a moment.
    """
    registry = capabilities.registry
    after = page.after[0] if page.after else ""
    every = registry.of_owners(sorted(principal.owner_ids))
    rows = [_view(name, agents, registry) for name, agents in every.items() if name > after]
    return make_page(rows[: page.limit + 1], page, item=lambda row: row, key=lambda row: (row.capability,))


@router.get("/deliveries")
async def list_deliveries(
    page: PageQuery,
    principal: RunsRead,
    deliveries: DeliveriesDep,
    finder: AgentFinderDep,
    capability: OfCapability = None,
    agent: OfAgent = None,
) -> Page[DeliveryView]:
    """To whom messages to capabilities were given, why, and what became of them; newest first, kept for 30 days."""
    agent_id = None if agent is None else await finder.agent_id(meant_agent(principal, agent))
    rows = await deliveries.page(principal.owner_ids, page, capability, agent_id)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.id),))


@router.post(
    "/{capability}/message",
    response_model=CapabilityAnswer,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        202: {"model": CapabilityWaiting, "description": "A tool that the agent wants to call needs an approval."},
    }
    | refusals(409, 429, 502, 504),
    openapi_extra=KEY_HEADER,
)
async def send_to_capability(
    capability: str,
    body: CapabilityMessage,
    principal: AgentsInvoke,
    request: Request,
    capabilities: CapabilitiesDep,
    messages: MessagesDep,
) -> Response:
    """Send a message to an agent that has the capability: the less busy of two that were drawn from the healthy ones.

    As a message to an agent otherwise; the answer says which agent gave it, and so does the `run` event of a stream.
    """
    to = None if body.to is None else meant_agent(principal, body.to)
    call = Call(
        principal.owner_id,
        principal.subject,
        principal.owner_ids,
        _known_form(capability),
        MessageRequest(**{name: getattr(body, name) for name in MessageRequest.model_fields}),
        given_key(request),
        to,
    )
    delivered = await capabilities.begin(call)
    which: dict[str, str | UUID] = {"agent_id": delivered.agent_id, "agent": delivered.agent}
    return await answered(messages, delivered.accepted, request, which)


@internal_router.post("/ask")
async def ask_capability(question: AskCapability, _: ToolsCalls, asking: AskingDep) -> AskedAnswer:
    """Ask whichever agent of the same owner has the capability, and wait for what becomes of it."""
    return await asking.ask_capability(question)


def _known_form(capability: str) -> str:
    """Something that can be a capability's name: anything else nobody has."""
    if len(capability) > _MOST_CHARS or not capability.isascii() or not capability.isprintable():
        raise CapabilityNotFound("Nobody has a capability of such a name.", extra={"capabilities": []})
    return capability


def _view(name: str, agents: list[KnownAgent], registry: CapabilityRegistry) -> CapabilityView:
    return CapabilityView(
        capability=name,
        healthy=sum(agent.ready > 0 for agent in agents),
        agents=[_agent(agent, registry) for agent in sorted(agents, key=lambda agent: agent.name)],
    )


def _agent(agent: KnownAgent, registry: CapabilityRegistry) -> CapableAgent:
    seconds = registry.latency(agent.agent_id)
    return CapableAgent(
        agent_id=agent.agent_id,
        agent=agent.name,
        healthy=agent.ready > 0,
        instances=agent.ready,
        active_runs=agent.active_runs,
        latency_ms=None if seconds is None else round(seconds * 1000, 1),
    )
