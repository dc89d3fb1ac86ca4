"""A model's answer outside of any run, as one service asks the runtime's model gateway for it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kgents_shared.contracts.agent_spec import LlmSpec, Text
from kgents_shared.contracts.model import Contract

MOST_ANSWER_CHARS = 262_144


class CompletionMessage(Contract):
    """One message of the conversation that the model is shown."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[Text, Field(max_length=MOST_ANSWER_CHARS)]


class CompletionRequest(Contract):
    """Body of `POST /internal/completions`.

    `llm` says which model, and by whose account; what it leaves open is the platform's. The call is counted as
    `owner_id`'s, for `purpose`. With `answer_schema` (JSON Schema, as OpenAI's strict mode takes it) the provider is
    asked for JSON of that shape; one that doesn't know how is asked again without, so that the text may still be prose.
    """

    owner_id: str
    purpose: Annotated[str, Field(min_length=1, max_length=200)]
    llm: LlmSpec
    messages: Annotated[list[CompletionMessage], Field(min_length=1, max_length=64)]
    answer_schema: dict[str, Any] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 60


class CompletionUsage(Contract):
    """What was counted; `estimated` where the provider didn't say."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool


class Completion(Contract):
    """The answer. `is_whole` is false where the model was cut off by a limit of length."""

    text: str
    is_whole: bool
    provider: str
    model: str
    usage: CompletionUsage
