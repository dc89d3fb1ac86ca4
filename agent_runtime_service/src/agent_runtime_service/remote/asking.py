"""What is asked of an agent elsewhere, and its answer on OpenAI's wire, which the worker reads."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from agent_runtime_service.remote import faults

_SPEAKERS: Final = {"user": "User", "assistant": "You"}


@dataclass(frozen=True, slots=True)
class Question:
    """What the user says now, and what was said before it, as one text; None where nothing was."""

    text: str
    before: str | None


def question_of(request: Mapping[str, Any]) -> Question:
    """The question of a checked request. Our prompt is left out: an agent elsewhere has one of its own."""
    said = [(row["role"], _text(row.get("content"))) for row in request["messages"] if row["role"] in _SPEAKERS]
    if not said or said[-1][0] != "user":
        raise faults.garbage("nothing: there is no question to send")
    earlier = "\n".join(f"{_SPEAKERS[role]}: {text}" for role, text in said[:-1] if text)
    return Question(said[-1][1], earlier or None)


def whole_text(question: Question) -> str:
    """The question with what was said before it, for an agent that remembers nothing of it."""
    if question.before is None:
        return question.text
    return f"What was said before:\n{question.before}\n\nNow:\n{question.text}"


def without_prompt(request: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion request without our prompt."""
    return {**request, "messages": [row for row in request["messages"] if row["role"] != "system"]}


def completion(text: str) -> bytes:
    """A whole answer."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return orjson.dumps({"object": "chat.completion", "model": "remote", "choices": [choice]})


async def streamed(pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """An answer in pieces."""
    async for piece in pieces:
        yield _event({"delta": {"content": piece}})
    yield _event({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n"


async def once(body: bytes) -> AsyncIterator[bytes]:
    """One piece."""
    yield body


def _event(choice: dict[str, Any]) -> bytes:
    document = {"object": "chat.completion.chunk", "model": "remote", "choices": [{"index": 0, **choice}]}
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _text(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if any(part.get("type") != "text" for part in content):
        raise faults.garbage("nothing: it is sent text alone, and the message has an image")
    return "\n".join(str(part["text"]) for part in content)
