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


class FailedTryView(Contract):
    """A try that failed by something that may pass, and when the next one is due."""

    number: int
    code: str
    detail: str
    failed_at: datetime
    next_at: datetime


class RunSummary(Contract):
    """One run in a list: without what was said, and without what it waits for."""

    run_id: UUID
    conversation_id: UUID
    agent: str
    version: int
    status: str
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunView(Contract):
    """One run. `error` is `{code, detail, status}` of a failed one; `text` is there once it is completed,
    and `output`, what the text says, where it was asked for in a form.

    `approvals` is what a run waits for whose status is `waiting_approval`; its time limit stands still meanwhile.
    `failed_tries` are the tries before this one, of a run that is to be tried more than once.
    """

    run_id: UUID
    conversation_id: UUID
    agent: str
    version: int
    status: str
    text: str | None
    output: Any = None
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    approvals: list[AwaitedApprovalView] = Field(default_factory=list[AwaitedApprovalView])
    failed_tries: list[FailedTryView] = Field(default_factory=list[FailedTryView])
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
