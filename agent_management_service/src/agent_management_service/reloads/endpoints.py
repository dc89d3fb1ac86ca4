"""`/api/v1/agents/{agent}/reload`: make a definition what runs, and how that went the last time."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from agent_management_service.agents.endpoints import DEFINITION_BODY
from agent_management_service.agents.models import AgentRow
from agent_management_service.dependencies import AgentsRead, AgentsWrite, CheckedDefinition, ThisAgent, Transaction
from agent_management_service.reloads.models import ReloadRow
from agent_management_service.reloads.schemas import Reload
from kgents_shared.errors import InvalidInput
from kgents_shared.errors.handlers import problem_response
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["reloads"])
Source = Annotated[
    str | None,
    Query(
        max_length=255, pattern="^[^\x00-\x1f\x7f]+$", description="where the definition comes from, as a file's name"
    ),
]


@router.get("/{agent}/reload")
async def get_last_reload(principal: AgentsRead, agent: ThisAgent, work: Transaction) -> Reload:
    """How the agent's last reload went; its state is `never` before the first."""
    return _view(*await work.reloads.last(agent))


@router.put("/{agent}/reload", response_model=Reload, openapi_extra=DEFINITION_BODY, responses=refusals(415))
async def reload_agent(
    principal: AgentsWrite,
    agent: ThisAgent,
    definition: CheckedDefinition,
    work: Transaction,
    source: Source = None,
) -> Reload | Response:
    """Make a definition the agent's draft and publish it, unless it runs already.

    A definition with faults changes nothing: what ran goes on, and the faults are kept with the reload.
    """
    try:
        if isinstance(definition, InvalidInput):
            raise definition
        row, kept = await work.reloads.reload(agent, definition, source)
    except InvalidInput as fault:
        await work.reloads.refuse(agent, fault.errors, source)
        # Answered, not raised: what was kept of it is to stay.
        return problem_response(fault)
    return _view(row, kept)


def _view(row: AgentRow, kept: ReloadRow | None) -> Reload:
    if kept is None:
        return Reload(agent_id=row.id, state="never", in_force=row.version, answering=row.answering)
    now = {"in_force": row.version, "answering": row.answering}
    return Reload.model_validate(kept).model_copy(update=now)
