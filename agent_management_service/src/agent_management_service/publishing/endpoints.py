"""`/api/v1/agents/{agent}/…`: publish, stop and rollback."""

from typing import Any

from fastapi import status
from fastapi.responses import Response

from agent_management_service.agents.endpoints import answer_response
from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.schemas import Agent, agent_view
from agent_management_service.dependencies import (
    AgentsWrite,
    Keyed,
    NoOptionsBody,
    RollbackBody,
    ThisAgent,
    Transaction,
)
from agent_management_service.idempotency.service import Answer
from kgents_shared.auth import Principal
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["publishing"])
_ROLLBACK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["version"],
                    "properties": {"version": {"type": "integer", "minimum": 1}},
                }
            }
        },
    }
}


def _answer(row: AgentRow, principal: Principal) -> Answer:
    return Answer(status.HTTP_200_OK, agent_view(row, principal).model_dump(mode="json"))


@router.post("/{agent}/publish", response_model=Agent, responses=refusals(409, 415))
async def publish_agent(
    principal: AgentsWrite, agent: ThisAgent, _: NoOptionsBody, key: Keyed, work: Transaction
) -> Response:
    """Freeze the draft as the next version and run it; an unchanged draft starts its version again."""

    async def publish() -> Answer:
        return _answer(await work.publishing.publish(agent), principal)

    return answer_response(await work.once.do(key, publish))


@router.post("/{agent}/stop", response_model=Agent, responses=refusals(409, 415))
async def stop_agent(
    principal: AgentsWrite, agent: ThisAgent, _: NoOptionsBody, key: Keyed, work: Transaction
) -> Response:
    """Stop what runs; publishing starts it again."""

    async def stop() -> Answer:
        return _answer(await work.publishing.stop(agent), principal)

    return answer_response(await work.once.do(key, stop))


@router.post("/{agent}/rollback", response_model=Agent, openapi_extra=_ROLLBACK_BODY, responses=refusals(409, 415))
async def rollback_agent(
    principal: AgentsWrite, agent: ThisAgent, body: RollbackBody, key: Keyed, work: Transaction
) -> Response:
    """Run an older version again; the draft stays as it is."""

    async def rollback() -> Answer:
        return _answer(await work.publishing.rollback(agent, body.version), principal)

    return answer_response(await work.once.do(key, rollback))
