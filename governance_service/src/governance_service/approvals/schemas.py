"""What goes over the wire of approvals."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, StringConstraints

from governance_service.approvals.models import ApprovalRecordRow, ApprovalRow
from governance_service.approvals.repository import status_at
from governance_service.approvals.states import ApprovalStatus
from kgents_shared.contracts.agent_spec import storable
from kgents_shared.contracts.approvals import ApprovalState
from kgents_shared.contracts.model import Contract

Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(storable)]


class Decision(Contract):
    """Body of `POST /approvals/{id}/decide`. The note is told to the agent."""

    decision: Literal["approve", "reject"]
    note: Note | None = None


class ApprovalSummary(BaseModel):
    """An approval as lists show it. `requested_by` and `decided_by` are people's or applications' ids."""

    id: UUID
    owner_id: str
    status: ApprovalStatus
    action: str
    summary: str
    agent_id: UUID | None
    agent_name: str | None
    run_id: UUID | None
    conversation_id: UUID | None
    requested_by: str
    decided_by: str | None
    decided_at: datetime | None
    note: str | None
    created_at: datetime
    expires_at: datetime


class ApprovalRecord(BaseModel):
    """Something that happened to an approval: asked, approved, rejected, expired, cancelled, voided, consumed, refused.

    `who` is a person's id, a service's name, or `the clock`.
    """

    what: str
    who: str
    note: str | None
    at: datetime


class ApprovalView(ApprovalSummary):
    """An approval in full: what is carried out if it is approved, exactly, with secrets masked."""

    payload: dict[str, Any]
    payload_hash: str
    history: list[ApprovalRecord]


def summary_of(row: ApprovalRow, now: datetime) -> ApprovalSummary:
    """As lists show it."""
    return ApprovalSummary(**_fields(row, now))


def view_of(row: ApprovalRow, records: list[ApprovalRecordRow], now: datetime) -> ApprovalView:
    """In full."""
    history = [ApprovalRecord(what=each.what, who=each.who, note=each.note, at=each.at) for each in records]
    return ApprovalView(**_fields(row, now), payload=row.payload, payload_hash=row.payload_hash, history=history)


def state_of(row: ApprovalRow, now: datetime) -> ApprovalState:
    """As siblings are told."""
    return ApprovalState(
        id=row.id,
        status=status_at(row, now).value,
        note=row.note,
        decided_by=row.decided_by,
        expires_at=row.expires_at,
    )


def _fields(row: ApprovalRow, now: datetime) -> dict[str, Any]:
    same = (
        "id", "owner_id", "action", "summary", "agent_id", "agent_name", "run_id", "conversation_id", "decided_by",
        "decided_at", "note", "created_at", "expires_at",
    )  # fmt: skip
    return {name: getattr(row, name) for name in same} | {
        "status": status_at(row, now),
        "requested_by": row.principal,
    }
