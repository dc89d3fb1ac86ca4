"""`/api/v1/agents/{agent}/flow`: the flow that an agent is."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse

from agent_management_service.dependencies import AgentsRead, ThisAgent, Transaction
from agent_management_service.publishing.schemas import MAX_VERSION
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["flows"])


@router.get("/{agent}/flow", response_class=JSONResponse)
async def get_flow(
    principal: AgentsRead,
    agent: ThisAgent,
    work: Transaction,
    version: Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="a version; without it, the draft")] = None,
) -> dict[str, Any]:
    """The flow as it was sent: Langflow imports it again."""
    return await work.flows.flow(agent, version)
