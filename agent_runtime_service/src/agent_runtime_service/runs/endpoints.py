"""`GET /runs/{run_id}`."""

from uuid import UUID

from fastapi import APIRouter

from agent_runtime_service.dependencies import RunRepositoryDep, RunsRead
from agent_runtime_service.errors import RunNotFound
from agent_runtime_service.runs.schemas import AwaitedApprovalView, RunView

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


@router.get("/{run_id}")
async def get_run(run_id: UUID, principal: RunsRead, runs: RunRepositoryDep) -> RunView:
    """One run of the caller's, whatever its state."""
    run = await runs.find(principal.owner_ids, run_id)
    if run is None:
        raise RunNotFound("There is no such run.")
    return RunView(
        run_id=run.run_id,
        conversation_id=run.conversation_id,
        agent=run.agent_name,
        version=run.version,
        status=run.status,
        text=run.text,
        usage=run.usage,
        error=run.error,
        approvals=[AwaitedApprovalView(**approval.as_json()) for approval in run.approvals],
        started_at=run.started_at,
        ended_at=run.ended_at,
    )
