"""The built-in provider that needs no key: it says what it is, repeats the text, and tells what it was given."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson

from agent_runtime_service.gateway.faults import ImagesNotTaken
from agent_runtime_service.gateway.providers import EVENT_STREAM, JSON, ProviderAnswer


class EchoProvider:
    """No language model, and it says so."""

    name = "echo"

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """An answer on OpenAI's wire, streamed in three pieces where a stream is asked for."""
        messages = [cast("dict[str, Any]", row) for row in request["messages"] if isinstance(row, dict)]
        if messages and isinstance(messages[-1].get("content"), list):
            raise ImagesNotTaken("The built-in echo takes no images.")
        pieces = _pieces(messages)
        usage = _usage(messages, pieces)
        if request.get("stream"):
            yield ProviderAnswer(EVENT_STREAM, _stream(pieces, usage))
        else:
            message = {"role": "assistant", "content": "".join(pieces)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = orjson.dumps({"object": "chat.completion", "model": "echo", "choices": [choice], "usage": usage})
            yield ProviderAnswer(JSON, _whole(body))


def _pieces(messages: list[dict[str, Any]]) -> tuple[str, str, str]:
    last = max((place for place, row in enumerate(messages) if row.get("role") == "user"), default=None)
    said = str(messages[last].get("content", "")) if last is not None else ""
    earlier = sum(row.get("role") != "system" for row in messages[:last])
    count = f"{earlier} earlier message{'' if earlier == 1 else 's'}"
    return (
        "This is Kgents' built-in echo, not a language model. ",
        f"You said: {said}\n",
        f"I was given {count} of this conversation.",
    )


def _usage(messages: list[dict[str, Any]], pieces: tuple[str, ...]) -> dict[str, int]:
    """Words for tokens: it has no tokenizer."""
    prompt = sum(len(str(row.get("content", "")).split()) for row in messages)
    spoken = sum(len(piece.split()) for piece in pieces)
    return {"prompt_tokens": prompt, "completion_tokens": spoken, "total_tokens": prompt + spoken}


async def _stream(pieces: tuple[str, ...], usage: dict[str, int]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield _event({"choices": [{"index": 0, "delta": {"content": piece}}]})
    end = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield end + _event({"choices": [], "usage": usage}) + b"data: [DONE]\n\n"


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps({"object": "chat.completion.chunk", "model": "echo", **document}) + b"\n\n"


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
