"""`/a2a/{agent}`: the JSON-RPC endpoint of an agent, and its card."""

import json
from typing import Any, cast
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from agent_runtime_service.a2a_protocol.calls import CALL, Call
from agent_runtime_service.a2a_protocol.door import A2aDoor
from agent_runtime_service.a2a_protocol.repository import PublicCardRepository
from agent_runtime_service.dependencies import AgentFinderDep, AgentsInvoke, AgentsRead, AgentsWrite
from agent_runtime_service.errors import AgentNotFound
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.messages.finder import AgentFinder, meant_agent, meant_lane
from kgents_shared.auth import Principal
from kgents_shared.contracts.instances import STABLE, InstanceRegistration
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(tags=["a2a"])
rpc_router = Router(include_in_schema=False)
_PARSE_ERROR = -32700


@rpc_router.post("/a2a/{agent}")
async def call_agent(agent: str, principal: AgentsInvoke, request: Request, finder: AgentFinderDep) -> Response:
    """One request of the Agent2Agent protocol, version 1.0 or 0.3."""
    name, _ = meant_lane(agent)
    agent_id = await finder.agent_id(meant_agent(principal, name))
    try:
        json.loads(await request.body())
    except (ValueError, RecursionError):
        error = {"code": _PARSE_ERROR, "message": "The body is no JSON."}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)
    setattr(request.state, CALL, Call(principal, agent, agent_id))
    return await _door(request).answer(request)


@router.get("/a2a/{agent}/.well-known/agent-card.json")
async def get_agent_card(agent: str, principal: AgentsRead, request: Request, finder: AgentFinderDep) -> dict[str, Any]:
    """The agent's card: what it can do, where it answers, and what its callers must show."""
    return await _door(request).card(await _running(finder, principal, agent))


@router.get("/api/v1/agents/{agent}/cards")
async def get_agent_cards(
    agent: str, principal: AgentsRead, request: Request, finder: AgentFinderDep
) -> dict[str, list[dict[str, Any]]]:
    """The agent's cards; there is one, of the Agent2Agent protocol."""
    return {"items": [await _door(request).card(await _running(finder, principal, agent))]}


@router.put("/api/v1/agents/{agent}/cards/public", status_code=204, responses=refusals(409))
async def show_card(agent: str, principal: AgentsWrite, request: Request, finder: AgentFinderDep) -> None:
    """Let anybody read the agent's card, at `/a2a/public/{agent_id}/.well-known/agent-card.json`.

    Who asks the agent still needs a token.
    """
    registration = await _running(finder, principal, agent)
    await _public(request).show(registration.agent_id, registration.owner_id)


@router.delete("/api/v1/agents/{agent}/cards/public", status_code=204, responses=refusals(409))
async def hide_card(agent: str, principal: AgentsWrite, request: Request, finder: AgentFinderDep) -> None:
    """Show the agent's card only to who may see the agent."""
    registration = await _running(finder, principal, agent)
    await _public(request).hide(registration.agent_id, registration.owner_id)


@router.get("/a2a/public/{agent_id}/.well-known/agent-card.json")
async def get_public_card(agent_id: UUID, request: Request) -> dict[str, Any]:
    """The card of an agent whose owner shows it to everybody; 404 for any other, and while it doesn't run."""
    directory = cast("InstanceDirectory", request.app.state.directory)
    instance = directory.choose(agent_id)
    if instance is None or not await _public(request).is_shown(agent_id, instance.registration.owner_id):
        raise AgentNotFound("There is no such agent.")
    return await _door(request).card(instance.registration)


def _public(request: Request) -> PublicCardRepository:
    return cast("PublicCardRepository", request.app.state.public_cards)


async def _running(finder: AgentFinder, principal: Principal, agent: str) -> InstanceRegistration:
    """What runs as the agent now. Raises what asking it would."""
    name, lane = meant_lane(agent)
    instance = await finder.ready_instance(meant_agent(principal, name), lane or STABLE, asked=lane is not None)
    return instance.registration


def _door(request: Request) -> A2aDoor:
    return cast("A2aDoor", request.app.state.a2a_door)
