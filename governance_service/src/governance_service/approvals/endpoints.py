"""`/api/v1/approvals`: what agents want to do, and what people say to it."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query

from governance_service.approvals.repository import ApprovalFilter
from governance_service.approvals.schemas import ApprovalSummary, ApprovalView, Decision, summary_of, view_of
from governance_service.approvals.states import ApprovalStatus
from governance_service.dependencies import Approvals, ApprovalsDecide, ApprovalsRead
from kgents_shared.auth import OfOrganisation, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/approvals", tags=["approvals"])
Action = Annotated[
    str | None, Query(max_length=300, pattern=r"^[^\x00-\x1f]+$", description="`tool:<name>` or `repeat:<name>`")
]


@router.get("")
async def list_approvals(
    principal: ApprovalsRead,
    approvals: Approvals,
    page: PageQuery,
    status: ApprovalStatus | None = None,
    action: Action = None,
    agent_id: UUID | None = None,
    run_id: UUID | None = None,
    organisation: OfOrganisation = None,
) -> Page[ApprovalSummary]:
    """What waits for the caller and their organisations, or was decided; newest first."""
    wanted = ApprovalFilter(status, action, agent_id, run_id)
    rows = await approvals.page(owners_listed(principal, organisation), wanted, page)
    return make_page(rows, page, item=partial(summary_of, now=datetime.now(UTC)), key=lambda row: (str(row.id),))


@router.get("/{approval_id}")
async def get_approval(principal: ApprovalsRead, approvals: Approvals, approval_id: UUID) -> ApprovalView:
    """One approval: exactly what is to be carried out, and everything that happened to it."""
    row, records = await approvals.get(principal, approval_id)
    return view_of(row, list(records), datetime.now(UTC))


@router.post("/{approval_id}/decide", responses=refusals(409))
async def decide_approval(
    principal: ApprovalsDecide, approvals: Approvals, approval_id: UUID, body: Decision
) -> ApprovalView:
    """Approve or reject, as a person with a login of their own: by no key, and by nobody who acts for somebody.

    In an organisation who asked can't decide. The same decision again from the same person is no fault.
    """
    await approvals.decide(principal, approval_id, body.decision, body.note)
    row, records = await approvals.get(principal, approval_id)
    return view_of(row, list(records), datetime.now(UTC))
