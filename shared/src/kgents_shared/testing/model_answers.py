"""What the model server can be told to answer: replies as a model gives them, and the ways a server fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from kgents_shared.testing.model_requests import ModelRequest, wire_name


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for. `arguments` is JSON text, as on OpenAI's wire, or broken on purpose."""

    name: str
    arguments: str = "{}"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer.

    `before_s` passes before the first byte, `between_s` between two chunks of a stream (seconds).
    `prompt_tokens` and `completion_tokens` replace the counts (words) in `usage`.
    `finish_reason` absent means "tool_calls" when there are any, else "stop".
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    before_s: float = 0.0
    between_s: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class StatusFault:
    """An error in OpenAI's shape, `{"error": {"message", "type", "param", "code"}}`."""

    status: int = 500
    message: str = "The server had an error while processing your request."
    kind: str = "server_error"
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


def rate_limited(retry_after_s: float = 1.0) -> StatusFault:
    """429 with `Retry-After` in seconds."""
    return StatusFault(
        status=429,
        message="Rate limit reached for requests.",
        kind="requests",
        code="rate_limit_exceeded",
        headers={"Retry-After": f"{retry_after_s:g}"},
    )


def server_error(status: int = 500) -> StatusFault:
    """A 5xx in OpenAI's shape."""
    return StatusFault(status=status)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Any bytes under any status and content type: garbage, a proxy's HTML page, JSON of another shape."""

    body: bytes = b"\x00\xff{not json"
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class CutStream:
    """A good start, then the connection ends: after `chunks` chunks of a stream, or half an answer."""

    reply: Reply = field(default_factory=lambda: Reply(text="This sentence will not be finished."))
    chunks: int = 3


@dataclass(frozen=True, slots=True)
class SlowBytes:
    """A good answer that comes `step` bytes at a time with `pause_s` seconds between."""

    reply: Reply = field(default_factory=lambda: Reply(text="slow"))
    pause_s: float = 0.05
    step: int = 8


@dataclass(frozen=True, slots=True)
class NeverAnswers:
    """Takes the request and says nothing until the client or the server goes away."""


@dataclass(frozen=True, slots=True)
class HugeAnswer:
    """A well-formed answer whose text has `size` characters, streamed or not."""

    size: int = 64 * 1024 * 1024


Answer: TypeAlias = Reply | StatusFault | RawAnswer | CutStream | SlowBytes | NeverAnswers | HugeAnswer
Answering: TypeAlias = Callable[[ModelRequest], Answer | str | Awaitable[Answer | str]]
ScriptItem: TypeAlias = Answer | str | Answering


def default_answer(request: ModelRequest) -> Reply:
    """The same answer for the same request, and it shows what arrived.

    `call <tool> <JSON arguments>` as the last user message makes the call, if a tool of that name is offered; a
    tool's result is told in the answer; anything else is repeated. The number of messages seen stands at the end.
    """
    seen = f"[{len(request.messages)} messages seen]"
    results = request.trailing_tool_results
    if results:
        return Reply(text=f"The tool answered: {' | '.join(results)} {seen}")
    words = request.last_user_text.split(maxsplit=2)
    if len(words) >= 2 and words[0] == "call" and wire_name(words[1]) in request.tool_names:
        arguments = words[2] if len(words) == 3 else "{}"
        return Reply(tool_calls=(ToolCall(wire_name(words[1]), arguments),))
    return Reply(text=f"You said: {request.last_user_text} {seen}")
