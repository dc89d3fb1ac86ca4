"""What passes between the front of the runtime and an agent's worker (DESIGN §6)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.model import Contract

INSTANCE_HEADER = "X-Kgents-Instance"
RUN_HEADER = "X-Kgents-Run"
EPOCH_HEADER = "X-Kgents-Epoch"
FAULT_MARK = b"\x1e"
"""Stands in a model's answer on a provider's own wire where it breaks off; JSON that says why follows."""


class WorkerConfig(Contract):
    """All that a worker is given at its start. It holds no provider key and no database address.

    `listen` is `unix:/path/worker.sock` or `tcp:host:port`; `door` is `unix:/path/door.sock` or `http://host:port`.
    `flow` is what an agent of Langflow is, as it was exported.
    """

    instance_id: UUID
    agent_id: UUID
    agent_name: str
    version: int
    spec: AgentSpec
    listen: str
    door: str
    token: str
    flow: dict[str, Any] | None = None


class ToolCall(Contract):
    """A model's wish to call a tool; `arguments` is the parsed JSON object."""

    id: str
    name: str
    arguments: dict[str, Any]


class Image(Contract):
    """A picture in a user's message; `data` is base64."""

    media_type: Literal["image/png", "image/jpeg", "image/webp", "image/gif"]
    data: str


class Message(Contract):
    """One message of a transcript."""

    role: Literal["user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False
    images: tuple[Image, ...] = ()


class ToolDefinition(Contract):
    """A tool as a model sees it; `input_schema` is JSON Schema."""

    name: str
    description: str
    input_schema: dict[str, Any]


class ModelChoice(Contract):
    """The model of this run, after the platform's defaults were put in."""

    provider: str
    model: str
    temperature: float | None = None
    max_tokens: int | None = None


class PinnedFact(Contract):
    """What a user wants the model to know in every message of a conversation."""

    key: str
    text: str


class SummaryElsewhere(Contract):
    """What was said in another conversation of the user's, with the agent of that name."""

    agent: str
    summary: str


class Remembered(Contract):
    """What of a conversation is known beside its messages.

    `summary` is of what came before the first message; where `gap` is set, some of that isn't in it.
    """

    summary: str | None = None
    gap: bool = False
    facts: tuple[PinnedFact, ...] = ()
    elsewhere: tuple[SummaryElsewhere, ...] = ()


class RunRequest(Contract):
    """Body of the worker's `POST /runs`. `messages` is the transcript so far, the new user message last.

    Where `llm` can't answer, its `fallbacks` are asked in their order. Of the conversation the model is shown
    `window_tokens` at most. With an `answer_schema` (JSON Schema) the answer is JSON that fits it. `client_tools` are
    carried out by who asks: calls of them end the run. `door` is where the front that drives the run is reached, if
    that isn't the worker's own.
    """

    run_id: UUID
    conversation_id: UUID
    epoch: int
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...]
    llm: ModelChoice
    fallbacks: tuple[ModelChoice, ...] = ()
    max_steps: int
    deadline_s: float
    window_tokens: int = 16_000
    remembered: Remembered | None = None
    answer_schema: dict[str, Any] | None = None
    client_tools: tuple[ToolDefinition, ...] = ()
    door: str | None = None


class DeltaEvent(Contract):
    """A passing piece of the answer; never stored. `step` is the run's model call whose piece it is, from 1; 0 where it
    is none of these.
    """

    type: Literal["delta"] = "delta"
    text: str
    step: int = Field(default=1, ge=0)


class ResetEvent(Contract):
    """The pieces so far are void: a model call is tried again."""

    type: Literal["reset"] = "reset"


class FinalEvent(Contract):
    """The answer, whole; or the calls of `client_tools` that the model wants to have made first."""

    type: Literal["final"] = "final"
    text: str
    tool_calls: tuple[ToolCall, ...] = ()


class FailedEvent(Contract):
    """The run can't go on; `status` is the HTTP status that a waiting caller gets."""

    type: Literal["failed"] = "failed"
    code: str
    detail: str
    status: int = 502


WorkerEvent = Annotated[DeltaEvent | ResetEvent | FinalEvent | FailedEvent, Field(discriminator="type")]


class StepRequest(Contract):
    """Body of the door's `POST /internal/runs/{run_id}/steps`: an assistant message with tool calls."""

    message: Message


class ToolCallRequest(Contract):
    """Body of the door's `POST /internal/tools/call`."""

    tool_call_id: str
    name: str
    arguments: dict[str, Any]


class ToolCallResult(Contract):
    """What a tool gave back; `content` is text for the model."""

    content: str
    is_error: bool = False


class ContextChange(Contract):
    """Body of the door's `POST /internal/runs/{run_id}/context`: what the model is shown no longer.

    `forgotten` counts the messages that fell out, from the first that the run was given or that the change before left.
    `summary` is the new one, of them and of all before; without it they are dropped, and `failure` is the code of why.
    `shortened` counts results of tools that the model is shown the beginning of. `reason`: the window is full, or the
    provider `refused` a request as too long.
    """

    reason: Literal["window", "refused"]
    forgotten: Annotated[int, Field(ge=0, le=1_000_000)]
    summary: Annotated[str, Field(max_length=200_000)] | None = None
    failure: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    shortened: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    tokens_before: Annotated[int, Field(ge=0, le=2**31 - 1)]
    tokens_after: Annotated[int, Field(ge=0, le=2**31 - 1)]
