"""What a message looks like on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from agent_runtime_service.execution.retries import LONGEST_PAUSE_S, MOST_TRIES
from agent_runtime_service.messages.answer_forms import AnswerFormat
from agent_runtime_service.messages.images import MOST_IMAGES, checked_images
from agent_runtime_service.runs.schemas import AwaitedApprovalView
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import Image

MAX_TEXT_BYTES = 32 * 1024
LONGEST_RUN_S = 7 * 24 * 3600
MOST_WIRE_CHARS = 512 * 1024


def _bounded(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank_text", "must not be empty or blank")
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise PydanticCustomError("text_too_long", "must not be longer than 32 KiB (32768 bytes of UTF-8)")
    return text


MessageText = Annotated[Text, AfterValidator(_bounded)]


class MessageRequest(Contract):
    """Body of `POST /agents/{agent}/message`. Without `conversation_id` a conversation is begun."""

    text: MessageText
    conversation_id: UUID | None = None
    images: Annotated[tuple[Image, ...], Field(max_length=MOST_IMAGES), AfterValidator(checked_images)] = Field(
        default=(), description="Pictures for the model, base64: png, jpeg, webp or gif, 5 MiB together at most."
    )
    response_format: AnswerFormat | None = Field(
        default=None, description="The form of the answer, which then stands in `output`, too."
    )


class RetryTerms(Contract):
    """Try a run again whose model provider or worker was away: `attempts` times in all, with growing pauses.

    `backoff_s` is the pause before the second try; each next one is twice as long, an hour at most.
    """

    attempts: Annotated[int, Field(ge=1, le=MOST_TRIES, strict=True)]
    backoff_s: Annotated[float, Field(ge=1, le=LONGEST_PAUSE_S, allow_inf_nan=False)] = 5.0


class RunStart(MessageRequest):
    """Body of `POST /agents/{agent}/runs`: a message whose answer nobody waits for.

    `deadline_s`, a week at most, stands for the agent's `limits.timeout_s`: how long it may take with all its tries,
    from when it begins, without the time that it waits for approvals.
    """

    deadline_s: Annotated[int, Field(ge=1, le=LONGEST_RUN_S, strict=True)] | None = None
    retry: RetryTerms | None = None


class RunBegun(Contract):
    """The run goes on by itself: `GET /runs/{run_id}` and `…/events` tell of it."""

    run_id: UUID
    conversation_id: UUID
    status: str


class WireMessage(MessageRequest):
    """The same from a foreign protocol, whose clients send long texts; blank only where something else stands last."""

    text: Annotated[Text, Field(max_length=MOST_WIRE_CHARS)]


class MessageAnswer(Contract):
    """The agent's answer. `usage`: prompt_tokens, completion_tokens, total_tokens, model_calls, estimated; `provider`
    and `model` are who gave it. `output` is what the text says, where a form was asked for.
    """

    run_id: UUID
    conversation_id: UUID
    status: Literal["completed"]
    text: str
    output: Any = None
    usage: dict[str, Any]


class MessageWaiting(Contract):
    """The agent wants to call tools that need a person's word; `usage` is that of the run so far.

    The run goes on by itself once they are decided: `GET /runs/{run_id}` has its answer then.
    """

    run_id: UUID
    conversation_id: UUID
    status: Literal["waiting_approval"]
    approvals: list[AwaitedApprovalView]
    usage: dict[str, Any]
