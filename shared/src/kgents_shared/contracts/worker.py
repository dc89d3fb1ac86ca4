"""What passes between the front of the runtime and an agent's worker (DESIGN §6)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.model import Contract

INSTANCE_HEADER = "X-Kgents-Instance"
RUN_HEADER = "X-Kgents-Run"
EPOCH_HEADER = "X-Kgents-Epoch"


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


class Message(Contract):
    """One message of a transcript."""

    role: Literal["user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False


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


class RunRequest(Contract):
    """Body of the worker's `POST /runs`. `messages` is the transcript so far, the new user message last."""

    run_id: UUID
    conversation_id: UUID
    epoch: int
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...]
    llm: ModelChoice
    max_steps: int
    deadline_s: float


class DeltaEvent(Contract):
    """A passing piece of the answer; never stored."""

    type: Literal["delta"] = "delta"
    text: str


class ResetEvent(Contract):
    """The pieces so far are void: a model call is tried again."""

    type: Literal["reset"] = "reset"


class FinalEvent(Contract):
    """The answer, whole."""

    type: Literal["final"] = "final"
    text: str


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
