"""The part of OpenAI's chat completions that an agent takes."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from agent_runtime_service.openai_api.forms import ChatForm
from agent_runtime_service.openai_api.functions import MOST_FUNCTIONS, ChatTool, ToolChoice
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract

MOST_MESSAGES = 2000
Reference = Annotated[Text, Field(min_length=1, max_length=200)]
Labels = Annotated[dict[str, Text], Field(max_length=16)]
# What clients send as a matter of course and the agent's definition, or this platform, decides: taken, and told as
# ignored.
IGNORED: Final = frozenset(
    {
        "frequency_penalty", "include", "logit_bias", "max_completion_tokens", "max_output_tokens", "max_tokens",
        "max_tool_calls", "metadata", "parallel_tool_calls", "presence_penalty", "prompt_cache_key",
        "prompt_cache_retention", "reasoning", "reasoning_effort", "safety_identifier", "seed", "service_tier", "stop",
        "store", "temperature", "top_logprobs", "top_p", "truncation", "user", "verbosity",
    }
)  # fmt: skip


class TextPart(Contract):
    """A piece of text."""

    type: Literal["text"]
    text: Text


class ImageUrl(Contract):
    """An image as a `data:` URL."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Contract):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl


class RefusalPart(Contract):
    """What a model refused to say."""

    type: Literal["refusal"]
    refusal: Text


class CalledFunction(Contract):
    """The function that is called; `arguments` is JSON text."""

    name: Annotated[Text, Field(min_length=1, max_length=128)]
    arguments: Text


class CalledTool(Contract):
    """A call that an earlier answer asked for."""

    id: Annotated[Text, Field(min_length=1, max_length=128)]
    type: Literal["function"] = "function"
    function: CalledFunction


class GivenMessage(Contract):
    """A system (or developer) message."""

    role: Literal["system", "developer"]
    content: Text | list[TextPart]
    name: Text | None = None


class UserMessage(Contract):
    """What the user says."""

    role: Literal["user"]
    content: Text | list[Annotated[TextPart | ImagePart, Field(discriminator="type")]]
    name: Text | None = None


class AssistantMessage(Contract):
    """What was answered before, with what clients keep of an answer."""

    role: Literal["assistant"]
    content: Text | list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]] | None = None
    name: Text | None = None
    refusal: Text | None = None
    tool_calls: list[CalledTool] | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None


class ToolMessage(Contract):
    """The result of a function that the client carried out."""

    role: Literal["tool"]
    content: Text | list[TextPart]
    tool_call_id: Annotated[Text, Field(min_length=1, max_length=128)]


ChatMessage = Annotated[
    GivenMessage | UserMessage | AssistantMessage | ToolMessage,
    Field(discriminator="role"),
]


# Documented by OpenAI's own reference, which has many more forms than the ones that are taken here.
Messages = Annotated[
    list[ChatMessage],
    Field(min_length=1, max_length=MOST_MESSAGES),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": MOST_MESSAGES,
            "description": "Messages of the roles system, developer, user, assistant and tool, the user's own last.",
        }
    ),
]


class StreamOptions(Contract):
    """What a stream tells beside the text."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class ChatCompletionRequest(Contract):
    """Body of `POST /v1/chat/completions`. `model` is an agent: `name`, `organisation~name`, `name@3`, or an id."""

    model: Reference
    messages: Messages
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ChatForm | None = None
    tools: Annotated[list[ChatTool], Field(max_length=MOST_FUNCTIONS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: Any = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    modalities: list[Literal["text"]] | None = None
    metadata: Labels | None = None
    user: Text | None = None
    safety_identifier: Text | None = None
    prompt_cache_key: Text | None = None
    store: bool | None = None
    temperature: Any = None
    top_p: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    stop: Any = None
    seed: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    logit_bias: Any = None
    reasoning_effort: Any = None
    verbosity: Any = None
    service_tier: Any = None


class ChatUsage(Contract):
    """Tokens of the run."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(Contract):
    """What the agent says."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: list[CalledTool] | None = None


class ChatChoice(Contract):
    """The one answer."""

    index: int
    message: AnswerMessage
    finish_reason: Literal["stop", "tool_calls"]
    logprobs: None


class ChatCompletion(Contract):
    """The answer of `POST /v1/chat/completions`; `id` is the run's."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage


class ListedModel(Contract):
    """An agent as a model; `id` is what to write as `model`."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Contract):
    """The answer of `GET /v1/models`."""

    object: Literal["list"]
    data: list[ListedModel]
