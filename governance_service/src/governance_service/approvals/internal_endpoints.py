"""`/internal/approvals`: the tool registry asks and carries out, the runtime waits."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from governance_service.approvals.schemas import state_of
from governance_service.dependencies import Approvals, RuntimeCalls, ToolsCalls, ToolsOrRuntimeCalls
from kgents_shared.contracts.approvals import (
    ApprovalRequest,
    ApprovalsCancelled,
    ApprovalState,
    ApprovalStates,
    CancelApprovals,
    ConsumeApproval,
)
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

internal_router = Router(prefix="/internal/approvals", include_in_schema=False)
MOST_IDS = 200


@internal_router.post("", responses=refusals(409, 429))
async def ask_approval(service: ToolsCalls, approvals: Approvals, body: ApprovalRequest) -> ApprovalState:
    """The approval of this request: a new one that waits for a person, or where that of its key stands."""
    return state_of(await approvals.ask(body, service.subject), datetime.now(UTC))


@internal_router.get("/states")
async def get_approval_states(
    _: ToolsOrRuntimeCalls, approvals: Approvals, ids: Annotated[list[UUID], Query(max_length=MOST_IDS)]
) -> ApprovalStates:
    """Where these stand (`ids=` once for each, 200 at most); one that isn't there is left out."""
    now = datetime.now(UTC)
    return ApprovalStates(approvals=tuple(state_of(row, now) for row in await approvals.states(ids)))


@internal_router.post("/cancel")
async def cancel_approvals(service: RuntimeCalls, approvals: Approvals, body: CancelApprovals) -> ApprovalsCancelled:
    """A run has ended: nothing of it waits any more, and nothing of it that was approved may be carried out."""
    return ApprovalsCancelled(cancelled=await approvals.cancel_run(body.run_id, service.subject))


@internal_router.post("/{approval_id}/consume", responses=refusals(404, 409))
async def consume_approval(
    service: ToolsCalls, approvals: Approvals, approval_id: UUID, body: ConsumeApproval
) -> ApprovalState:
    """The payload is about to be carried out. Once: whoever else asks gets 409."""
    return state_of(await approvals.consume(approval_id, body, service.subject), datetime.now(UTC))
