"""The part of OpenAI's responses that an agent takes."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema

from agent_runtime_service.openai_api.chat_schemas import MOST_MESSAGES, Labels, Reference
from agent_runtime_service.openai_api.forms import ResponseForm
from agent_runtime_service.openai_api.functions import MOST_FUNCTIONS, ResponseTool, ToolChoice
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract

CallId = Annotated[Text, Field(min_length=1, max_length=128)]
Id = Annotated[Text, Field(max_length=128)]


class SaidText(Contract):
    """A piece of text, of the input or of an earlier answer."""

    type: Literal["input_text", "output_text"]
    text: Text
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class SaidRefusal(Contract):
    """What a model refused to say."""

    type: Literal["refusal"]
    refusal: Text


class SaidImage(Contract):
    """An image as a `data:` URL."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_id: None = None


class SaidMessage(Contract):
    """What somebody said."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[Annotated[SaidText | SaidRefusal | SaidImage, Field(discriminator="type")]]
    id: Id | None = None
    status: Text | None = None
    phase: Text | None = None


class FunctionCall(Contract):
    """A call that an earlier answer asked for."""

    type: Literal["function_call"]
    call_id: CallId
    name: Annotated[Text, Field(min_length=1, max_length=128)]
    arguments: Text
    id: Id | None = None
    status: Text | None = None


class FunctionOutput(Contract):
    """The result of a function that the client carried out."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: Text | list[SaidText]
    id: Id | None = None
    status: Text | None = None


InputItem = FunctionCall | FunctionOutput | SaidMessage
_ITEMS: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MOST_MESSAGES},
    ],
    "description": "What the user says; or messages, calls of functions and their results, the user's word last.",
}


class TextSettings(Contract):
    """The form of the answer."""

    format: ResponseForm | None = None
    verbosity: Any = None


class ConversationRef(Contract):
    """A conversation by its id."""

    id: UUID


_CONVERSATION: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "uuid"}, {"type": "object"}, {"type": "null"}],
    "description": "A conversation's id, or an object with it as `id`.",
}


class ResponseRequest(Contract):
    """Body of `POST /v1/responses`. `model` is an agent: `name`, `organisation~name`, `name@3`, or an id.

    With `previous_response_id` or `conversation` it goes on from there. A `background` response is answered at once.
    One that says `store: false` is deleted when it is answered, with its conversation.
    """

    model: Reference
    input: Annotated[
        Text | Annotated[list[InputItem], Field(min_length=1, max_length=MOST_MESSAGES)], WithJsonSchema(_ITEMS)
    ]
    instructions: Text | None = None
    previous_response_id: UUID | None = None
    conversation: Annotated[UUID | ConversationRef | None, WithJsonSchema(_CONVERSATION)] = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    background: bool | None = None
    store: bool | None = None
    text: TextSettings | None = None
    tools: Annotated[list[ResponseTool], Field(max_length=MOST_FUNCTIONS)] | None = None
    tool_choice: ToolChoice | None = None
    metadata: Labels | None = None
    user: Text | None = None
    safety_identifier: Text | None = None
    prompt_cache_key: Text | None = None
    include: Any = None
    max_output_tokens: Any = None
    max_tool_calls: Any = None
    parallel_tool_calls: Any = None
    prompt_cache_retention: Any = None
    reasoning: Any = None
    service_tier: Any = None
    temperature: Any = None
    top_logprobs: Any = None
    top_p: Any = None
    truncation: Any = None

    @property
    def is_stored(self) -> bool:
        """Whether it is kept once it is answered; so is one that says nothing of it."""
        return self.store is not False


class ResponseObject(Contract):
    """A run as a response; its `id` is the run's."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["queued", "in_progress", "completed", "failed", "cancelled"]
    background: bool
    conversation: ConversationRef
    error: dict[str, Any] | None
    incomplete_details: None
    instructions: None
    max_output_tokens: None
    metadata: dict[str, str]
    model: str
    output: list[dict[str, Any]]
    parallel_tool_calls: bool
    previous_response_id: str | None
    store: bool
    temperature: None
    text: dict[str, Any]
    tool_choice: str
    tools: list[dict[str, Any]]
    top_p: None
    usage: dict[str, Any] | None


class DeletedResponse(Contract):
    """A response that is no more."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]
