"""`/api/v1/runs`: what becomes of runs, as a list, one by one, and as it happens; and ending them."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from agent_runtime_service.dependencies import (
    AgentFinderDep,
    CancellingDep,
    RunRepositoryDep,
    RunsRead,
    RunsWrite,
    RunWatchDep,
)
from agent_runtime_service.errors import RunEnded, RunNotFound
from agent_runtime_service.event_streams import NO_BUFFER
from agent_runtime_service.execution.active import CANCELLED
from agent_runtime_service.messages.finder import meant_agent
from agent_runtime_service.runs.models import RunStatus
from agent_runtime_service.runs.repository import RunFilter, StoredRun
from agent_runtime_service.runs.schemas import AwaitedApprovalView, FailedTryView, RunSummary, RunView
from agent_runtime_service.runs.watching import Watcher
from kgents_shared.auth import Principal
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/runs", tags=["runs"])
_LAST_EVENT_ID: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "The id of the last event that was heard; what came after it is told.",
        }
    ]
}


class Wanted:
    """The filters of the list as they are asked for."""

    def __init__(
        self,
        agent: Annotated[str | None, Query(max_length=255, description="an agent's id or name")] = None,
        status: RunStatus | None = None,
        conversation_id: UUID | None = None,
        since: Annotated[AwareDatetime | None, Query(description="begun then or later")] = None,
    ) -> None:
        self.agent = agent
        self.filter = RunFilter(None, status, conversation_id, since)


@router.get("")
async def list_runs(
    page: PageQuery,
    principal: RunsRead,
    runs: RunRepositoryDep,
    finder: AgentFinderDep,
    wanted: Annotated[Wanted, Depends()],
) -> Page[RunSummary]:
    """The caller's runs, newest first."""
    asked = wanted.filter
    if wanted.agent is not None:
        agent_id = _uuid(wanted.agent) or await finder.agent_id(meant_agent(principal, wanted.agent))
        asked = RunFilter(agent_id, asked.status, asked.conversation_id, asked.since)
    rows = await runs.page(principal.owner_ids, asked, page)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.run_id),))


@router.get("/{run_id}")
async def get_run(run_id: UUID, principal: RunsRead, runs: RunRepositoryDep) -> RunView:
    """One run of the caller's, whatever its state."""
    run = await runs.find(principal.owner_ids, run_id)
    if run is None:
        raise RunNotFound("There is no such run.")
    return _view(run)


@router.post("/{run_id}/cancel", responses=refusals(409))
async def cancel_run(run_id: UUID, principal: RunsWrite, runs: RunRepositoryDep, cancelling: CancellingDep) -> RunView:
    """End a run of the caller's before its time, whether it is queued, running or waits for an approval.

    It leaves the conversation's context, and the next one that is queued there goes on. Its call of a model is broken
    off, its call of a tool is told to stop, its approvals are cancelled. What a tool did by then stays done. One that
    is cancelled already is answered as it is; one that ended otherwise is 409 `run_ended`.
    """
    await cancelling.cancel(principal.owner_ids, run_id)
    run = await runs.find(principal.owner_ids, run_id)
    if run is None:
        raise RunNotFound("There is no such run.")
    if run.status != CANCELLED:
        raise RunEnded(f"The run is {run.status}: there is nothing to cancel any more.")
    return _view(run)


@router.get(
    "/{run_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "Everything up to the end was heard."},
    }
    | refusals(429),
    openapi_extra=_LAST_EVENT_ID,
)
async def watch_run(run_id: UUID, principal: RunsRead, watch: RunWatchDep, request: Request) -> Response:
    """A run as it happens, and what happened of it before, as server-sent events until its end.

    `run`, `delta`, `reset`, `step`, `retrying` (a try failed, and when the next one is due), `waiting_approval` (the
    stream stays open, and goes on after the decision), then `completed`, `failed` or `cancelled`. Steps and the answer
    have ids: with the last one as `Last-Event-ID` the stream goes on behind it, here or at another front. Where the
    token expires or is revoked meanwhile, the last event is `token_expired`: come back with another token.
    """
    events = await watch.begin(_watcher(principal, request), run_id, request.headers.get("last-event-id"))
    if events is None:
        return Response(status_code=204)
    return StreamingResponse(events, media_type="text/event-stream", headers=NO_BUFFER)


def _watcher(principal: Principal, request: Request) -> Watcher:
    verifier = request.app.state.token_verifier
    bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
    return Watcher(
        frozenset(principal.owner_ids), principal.subject, principal.expires_at, lambda: verifier.verify(bearer)
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _view(run: StoredRun) -> RunView:
    return RunView(
        run_id=run.run_id,
        conversation_id=run.conversation_id,
        agent=run.agent_name,
        version=run.version,
        status=run.status,
        text=run.text,
        output=run.output,
        usage=run.usage,
        error=run.error,
        approvals=[AwaitedApprovalView(**approval.as_json()) for approval in run.approvals],
        failed_tries=[FailedTryView.model_validate(failed) for failed in run.failed_tries or ()],
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )
