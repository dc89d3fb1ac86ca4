"""`GET /runs/{run_id}/trace`."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from agent_runtime_service.dependencies import RunsRead, TraceServiceDep
from agent_runtime_service.traces.filtering import SpanFilter
from agent_runtime_service.traces.schemas import SpanKind, TraceView
from agent_runtime_service.traces.service import TraceRequest
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/runs", tags=["runs"])


@router.get("/{run_id}/trace")
async def get_trace(
    run_id: UUID,
    principal: RunsRead,
    traces: TraceServiceDep,
    kind: Annotated[list[SpanKind], Query(max_length=7, description="spans of these kinds alone")] = [],  # noqa: B006
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="a text that stands in them")] = None,
    slower_than_ms: Annotated[float | None, Query(ge=0, description="that took as long, or still do")] = None,
    prompts: Annotated[bool, Query(description="whether what was sent to models is shown")] = True,
    most_chars: Annotated[int, Query(ge=0, le=1_000_000, description="of each text")] = 2000,
) -> TraceView:
    """What happened in a run, step by step: calls of models and of tools, decisions, agents that it asked.

    It can be asked for while the run goes on. A filter keeps what matches with all that it is part of. What looks like
    a secret is `***`.
    """
    wanted = SpanFilter(kind, q, slower_than_ms)
    return await traces.trace(principal.owner_ids, run_id, TraceRequest(wanted, prompts, most_chars))
