"""What is stored of runs, as a trace is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kgents_shared.contracts.approvals import ApprovalState
from kgents_shared.contracts.tools import RecordedCall


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A row of `runs` with what led to it."""

    id: UUID
    conversation_id: UUID
    owner_id: str
    principal: str
    agent_id: UUID
    agent_name: str
    version: int
    status: str
    attempts: int
    question: str
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    waiting_since: datetime | None
    waited_s: float
    asked_by_run: UUID | None
    asked_by_key: str | None
    traceparent: str | None
    replay_of: UUID | None
    failed_tries: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A message that the run stored."""

    run_id: UUID
    seq: int
    kind: str
    payload: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ModelCallRecord:
    """A row of `model_calls`, written at the call's end. `step` counts the steps that were stored before it."""

    id: UUID
    run_id: UUID
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    tries: int
    duration_ms: int
    error: str | None
    created_at: datetime
    step: int | None
    epoch: int | None
    first_ms: int | None
    cost: Decimal | None
    cached_tokens: int
    from_cache: bool
    timings: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """A row of `tool_calls`."""

    run_id: UUID
    tool_call_id: str
    state: str
    name: str
    arguments: Any
    result: dict[str, Any] | None
    dispatches: int
    created_at: datetime
    ended_at: datetime | None
    approval_id: UUID | None
    key: str


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """A row of `run_incidents`."""

    run_id: UUID
    id: UUID
    kind: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ContextRecord:
    """A row of `context_changes`."""

    run_id: UUID
    id: UUID
    reason: str
    forgotten: int
    summarised: bool
    failure: str | None
    tokens_before: int
    tokens_after: int
    at: datetime


@dataclass(slots=True)
class RunRecords:
    """All that is known of one run."""

    run: RunRecord
    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    model_calls: list[ModelCallRecord] = field(default_factory=list[ModelCallRecord])
    tool_calls: list[ToolCallRecord] = field(default_factory=list[ToolCallRecord])
    incidents: list[IncidentRecord] = field(default_factory=list[IncidentRecord])
    context: list[ContextRecord] = field(default_factory=list[ContextRecord])


@dataclass(frozen=True, slots=True)
class TraceRecords:
    """A run and the runs that its agents asked for, the first one first; `calls` and `approvals` by their ids."""

    runs: Sequence[RunRecords]
    prompts: Mapping[UUID, bytes]
    calls: Mapping[tuple[UUID, str], RecordedCall]
    approvals: Mapping[UUID, ApprovalState]
    left_out_runs: int = 0
