"""A trace on the wire: spans in the order in which they are drawn, each with the one that it is part of."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import ToolCall

SpanKind = Literal["run", "queue", "step", "model_call", "tool_call", "context", "incident"]
SpanStatus = Literal["ok", "error", "running", "waiting", "cancelled"]


class SpanError(Contract):
    """Why a span failed."""

    code: str
    detail: str


class RunDetails(Contract):
    """A run: who asked which version of what. `question` and `answer` are what was said.

    `waited_s` is for how long it waited for people. `replay_of` is the run that it repeats.
    """

    run_id: UUID
    conversation_id: UUID
    agent: str
    version: int
    status: str
    principal: str
    attempts: int
    question: str
    answer: str | None
    usage: dict[str, Any] | None
    waited_s: float
    replay_of: UUID | None = None


class ModelCallDetails(Contract):
    """One call of a model. `prompt` is what was sent, on the provider's own wire; null where it isn't kept.

    `first_token_ms` is the time until the answer began; `tries` counts the requests that it took. `text` and
    `tool_calls` are the answer, where it is the one that the run went on with. `cost` is a decimal, null where the
    model's price is not known; `from_cache`: the answer was a kept one. `timings` are a local model's own.
    """

    call_id: UUID
    provider: str
    model: str
    attempt: int | None
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    tries: int
    first_token_ms: int | None
    prompt: Any | None = None
    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    cached_tokens: int = 0
    cost: str | None = None
    cost_currency: str | None = None
    from_cache: bool = False
    timings: dict[str, int] | None = None


class Decision(Contract):
    """What the platform said to a call of a tool: `allowed`, `denied` (by which rule), or what it waits for."""

    outcome: str
    side_effect: str | None
    denied_by: dict[str, Any] | None
    approval_id: UUID | None
    approval_status: str | None = None
    decided_by: str | None = None
    note: str | None = None


class ToolCallDetails(Contract):
    """One call of a tool: its arguments and its result without what looks like a secret.

    `dispatches` counts how often it was handed to the registry, which carries it out once. `decision` is null where
    the registry knows nothing of it (any more): then it was not asked, or can't be right now.
    """

    tool: str
    tool_call_id: str
    state: str
    arguments: Any
    result: str | None
    is_error: bool | None
    dispatches: int
    decision: Decision | None = None
    latency_ms: float | None = None
    result_bytes: int | None = None
    cost: str | None = None
    cost_currency: str | None = None


class ContextDetails(Contract):
    """What the model is shown no longer: how many messages fell out, and whether a summary stands for them."""

    reason: str
    forgotten: int
    summarised: bool
    failure: str | None
    tokens_before: int
    tokens_after: int


class Span(Contract):
    """A stretch of time. `offset_ms` is from the trace's beginning; without `ended_at` it is still going on.

    `matched` is false for one that is here only because something below it matches what was asked for.
    """

    id: str
    parent_id: str | None
    kind: SpanKind
    name: str
    status: SpanStatus
    started_at: datetime
    ended_at: datetime | None
    offset_ms: float
    duration_ms: float | None
    error: SpanError | None = None
    matched: bool = True
    run: RunDetails | None = None
    model_call: ModelCallDetails | None = None
    tool_call: ToolCallDetails | None = None
    context: ContextDetails | None = None


class TraceView(Contract):
    """All of a run, with the runs of agents that it asked.

    `failed_at` leads from the run to where it failed, span by span. `left_out` counts spans beyond the most that a
    trace has. `registry` says whether decisions could be asked for.
    """

    run_id: UUID
    conversation_id: UUID
    status: str
    started_at: datetime
    duration_ms: float | None
    totals: dict[str, Any]
    failed_at: tuple[str, ...]
    registry: Literal["asked", "away", "not_needed"]
    left_out: int
    spans: tuple[Span, ...]
