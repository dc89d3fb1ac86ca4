"""`POST /runs/{run_id}/replay` and `GET /runs/{run_id}/comparison`."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request

from agent_runtime_service.dependencies import ReplayServiceDep, RunsRead, RunsReplay
from agent_runtime_service.messages.answering import KEY_HEADER, given_key
from agent_runtime_service.replays.schemas import Comparison, ReplayRequest, ReplayStarted
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/runs", tags=["runs"])


@router.post("/{run_id}/replay", status_code=202, responses=refusals(409, 429, 502), openapi_extra=KEY_HEADER)
async def replay_run(
    run_id: UUID, body: ReplayRequest, principal: RunsReplay, replays: ReplayServiceDep, request: Request
) -> ReplayStarted:
    """Repeat a run's question against a version or model, in a conversation of its own that stands where that stood.

    No tool is called: a call that the run made gets the result that it got, any other one is told that it is not
    replayed. What the models take counts as it does for every run.
    """
    return await replays.begin(principal, run_id, body, given_key(request))


@router.get("/{run_id}/comparison")
async def compare_runs(
    run_id: UUID,
    principal: RunsRead,
    replays: ReplayServiceDep,
    other: Annotated[UUID, Query(alias="with", description="the other run")],
) -> Comparison:
    """Two runs of the caller's side by side: steps, answers, tokens, cost and time."""
    return await replays.compare(principal.owner_ids, run_id, other)
