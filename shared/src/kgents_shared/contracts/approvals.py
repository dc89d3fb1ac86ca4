"""What services say to each other about approvals (DESIGN §8)."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from kgents_shared.contracts.model import Contract

PayloadHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ApprovalStatus = Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]

APPROVAL_DECIDED = "approval.decided"


class ApprovalRequest(Contract):
    """Body of `POST /internal/approvals`: may this exact payload be carried out?

    `action` is `tool:<name>`, or `repeat:<name>` for a call whose outcome is not known. `payload` is what a person
    reads, secrets masked; `payload_hash` is over what is carried out. The same `request_key` of an owner is the same
    approval. `principal` is the subject of who asked.
    """

    owner_id: str
    principal: str
    agent_id: UUID | None = None
    agent_name: str | None = None
    run_id: UUID | None = None
    conversation_id: UUID | None = None
    action: str
    payload_hash: PayloadHash
    payload: dict[str, Any]
    summary: str
    request_key: str
    expires_in_s: Annotated[int, Field(ge=1)] | None = None


class ApprovalState(Contract):
    """What became of an approval. `note` is what its decider wrote."""

    id: UUID
    status: ApprovalStatus
    note: str | None = None
    decided_by: str | None = None
    expires_at: datetime


class ConsumeApproval(Contract):
    """Body of `POST /internal/approvals/{id}/consume`: the payload is about to be carried out, this once."""

    payload_hash: PayloadHash
    request_key: str


class ApprovalStates(Contract):
    """Answer of `GET /internal/approvals/states?ids=…&ids=…`, 200 at most; those that aren't there are left out."""

    approvals: tuple[ApprovalState, ...]


class CancelApprovals(Contract):
    """Body of `POST /internal/approvals/cancel`: the run has ended, and nothing of it is to be carried out."""

    run_id: UUID


class ApprovalsCancelled(Contract):
    """The answer: how many were cancelled."""

    cancelled: int


class ApprovalDecided(Contract):
    """Data of the event `approval.decided`: pending no longer, whatever it became."""

    approval_id: UUID
    owner_id: str
    run_id: UUID | None
    status: ApprovalStatus
