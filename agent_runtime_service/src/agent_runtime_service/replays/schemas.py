"""Replays and comparisons on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import Provider
from kgents_shared.contracts.model import Contract

Change = Literal["same", "changed", "first_only", "second_only"]


class ReplayRequest(Contract):
    """Which version and model are to answer; what is left out is as it was.

    A `provider` without a `model` is asked for its default one.
    """

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    provider: Provider | None = None
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class ReplayStarted(Contract):
    """A run that repeats another one, in a conversation of its own."""

    run_id: UUID
    conversation_id: UUID
    replay_of: UUID
    status: str


class Side(Contract):
    """One of two runs. `models` are those that answered it; times are milliseconds."""

    run_id: UUID
    version: int
    status: str
    models: tuple[str, ...]
    answer: str | None
    error: dict[str, Any] | None
    model_calls: int
    tool_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: str | None
    cost_currency: str | None
    duration_ms: float | None
    model_ms: float


class ComparedStep(Contract):
    """What a step of a run was: what the model said, and each call that it asked for with its result."""

    text: str
    calls: tuple[dict[str, Any], ...]


class StepChange(Contract):
    """One step beside the other's. Steps are the same where they call the same with the same arguments."""

    change: Change
    first: ComparedStep | None
    second: ComparedStep | None


class Comparison(Contract):
    """Two runs side by side. `answer_diff` has the lines of a unified diff; `difference` is second less first."""

    first: Side
    second: Side
    same_steps: bool
    same_answer: bool
    steps: tuple[StepChange, ...]
    answer_diff: tuple[str, ...]
    difference: dict[str, float | str | None]
