"""From the messages of a request to what a run begins with: the transcript so far, and what the user says now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from pydantic_core import PydanticCustomError

from agent_runtime_service.messages.schemas import MOST_WIRE_CHARS
from agent_runtime_service.openai_api.chat_schemas import (
    AssistantMessage,
    CalledTool,
    ChatMessage,
    GivenMessage,
    ImagePart,
    RefusalPart,
    TextPart,
    ToolMessage,
)
from agent_runtime_service.openai_api.pictures import pictures
from kgents_shared.contracts.json_values import keepable
from kgents_shared.contracts.worker import Image, Message, ToolCall
from kgents_shared.errors import FaultItem, InvalidInput

# A caller's instructions stand under the agent's own: they are the user's word, and say that they are.
INSTRUCTIONS: Final = "Instructions of the program that asks, below your own:\n\n"


@dataclass(frozen=True, slots=True)
class Question:
    """What was said before, oldest first, and what the user says now: nothing where results of functions stand last."""

    before: tuple[Message, ...]
    text: str = ""
    images: tuple[Image, ...] = ()


def question(told: Sequence[Message], field: str) -> Question:
    """The question of a conversation that a request tells in `field`.

    Raises `InvalidInput` for what isn't one, or doesn't end with the user's word or the results of functions.
    """
    _check_calls(told, field)
    last, before = told[-1], tuple(told[:-1])
    if last.role == "tool":
        return Question(tuple(told))
    if last.role != "user" or last.text.startswith(INSTRUCTIONS):
        raise fault(field, len(told) - 1, "must be the user's: what is asked of the agent stands last", "no_question")
    if not last.text.strip():
        raise fault(field, len(told) - 1, "must not be empty or blank", "blank_text")
    if len(last.text) > MOST_WIRE_CHARS:
        raise fault(field, len(told) - 1, f"must not have more than {MOST_WIRE_CHARS} characters", "text_too_long")
    return Question(before, last.text, last.images)


def instructions(text: str) -> Message:
    """What the asking program tells the agent, as the message that it is."""
    return Message(role="user", text=INSTRUCTIONS + text)


def chat_messages(messages: Sequence[ChatMessage]) -> list[Message]:
    """The messages of a chat completion as a transcript has them. Raises `InvalidInput`."""
    return [_stored(message, place) for place, message in enumerate(messages)]


def called(call_id: str, name: str, arguments: str, field: str, place: int) -> ToolCall:
    """The call of a function that an earlier answer asked for. Raises `InvalidInput`."""
    try:
        parsed: Any = orjson.loads(arguments or "{}")
        keepable(parsed)
    except (orjson.JSONDecodeError, PydanticCustomError):
        parsed = None
    if not isinstance(parsed, dict):
        raise fault(field, place, "calls a function with arguments that are no JSON object", "bad_arguments")
    return ToolCall(id=call_id, name=name, arguments=cast("dict[str, Any]", parsed))


def fault(field: str, place: int, msg: str, code: str) -> InvalidInput:
    """What is wrong at one place of a conversation that is told."""
    return InvalidInput("What was said before can't be taken.", errors=[FaultItem(("body", field, place), msg, code)])


def _stored(message: ChatMessage, place: int) -> Message:
    if isinstance(message, GivenMessage):
        return instructions(_text(message.content))
    if isinstance(message, AssistantMessage):
        calls = tuple(_call(call, place) for call in message.tool_calls or ())
        return Message(role="assistant", text=_text(message.content or message.refusal or ""), tool_calls=calls)
    if isinstance(message, ToolMessage):
        return Message(role="tool", text=_text(message.content), tool_call_id=message.tool_call_id)
    urls = [part.image_url.url for part in message.content if isinstance(part, ImagePart)]
    return Message(role="user", text=_text(message.content), images=pictures(urls, ("body", "messages", place)))


def _text(content: str | Sequence[TextPart | RefusalPart | ImagePart]) -> str:
    if isinstance(content, str):
        return content
    texts = (
        part.text if isinstance(part, TextPart) else part.refusal for part in content if not isinstance(part, ImagePart)
    )
    return "\n".join(texts)


def _call(call: CalledTool, place: int) -> ToolCall:
    return called(call.id, call.function.name, call.function.arguments, "messages", place)


def _check_calls(messages: Sequence[Message], field: str) -> None:
    """Each call has its result right behind it, and each result its call: providers take nothing else."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                raise fault(field, place, "is the result of no call that stands before it", "result_without_call")
            waiting.discard(message.tool_call_id)
            continue
        if waiting:
            raise fault(field, place, "stands where the results of calls are missing", "call_without_result")
        waiting = {call.id for call in message.tool_calls}
        if len(waiting) != len(message.tool_calls):
            raise fault(field, place, "has two calls of one id", "doubled_call")
    if waiting:
        raise fault(field, len(messages) - 1, "asks for calls whose results are missing", "call_without_result")
