"""A run on the wire (DESIGN §12)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.model import Contract


class AwaitedApprovalView(Contract):
    """A call of a tool that waits for a person, who decides at `POST /approvals/{approval_id}/decide`."""

    approval_id: UUID
    tool: str
    expires_at: datetime


class RunView(Contract):
    """One run. `error` is `{code, detail, status}` of a failed one; `text` is there once it is completed.

    `approvals` is what a run waits for whose status is `waiting_approval`; its time limit stands still meanwhile.
    """

    run_id: UUID
    conversation_id: UUID
    agent: str
    version: int
    status: str
    text: str | None
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    approvals: list[AwaitedApprovalView] = Field(default_factory=list[AwaitedApprovalView])
    started_at: datetime | None
    ended_at: datetime | None
