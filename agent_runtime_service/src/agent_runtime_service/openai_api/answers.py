"""A run as OpenAI's chat completion, whole and in pieces."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson

from agent_runtime_service.event_streams import KEEPALIVE
from agent_runtime_service.execution.feed import Listener
from agent_runtime_service.messages.following import follow
from agent_runtime_service.messages.service import Accepted, Ended, MessageService
from agent_runtime_service.openai_api.functions import called_in_chat
from agent_runtime_service.openai_api.refusals import as_openai, error_object
from agent_runtime_service.openai_api.spoken import Spoken, refuse_waiting
from agent_runtime_service.openai_api.times import made_at
from kgents_shared.errors import ApiError

DONE = b"data: [DONE]\n\n"


def usage_of(ended: Ended) -> dict[str, int]:
    """The tokens of the whole run, in their words."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: int(str(ended.usage.get(name) or 0)) for name in names}


def completion(accepted: Accepted, ended: Ended, model: str) -> dict[str, Any]:
    """The shape of `ChatCompletion`."""
    calls, text = ended.end.calls, ended.end.text
    message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text, "refusal": None}
    if calls:
        message["tool_calls"] = called_in_chat(calls)
    choice = {"index": 0, "message": message, "finish_reason": _finish(ended), "logprobs": None}
    return {**_head(accepted, "chat.completion", model), "choices": [choice], "usage": usage_of(ended)}


async def chunks(
    service: MessageService, accepted: Accepted, listener: Listener | None, model: str, *, with_usage: bool
) -> AsyncGenerator[bytes]:
    """The chunks of a stream until `[DONE]`; a fault after the beginning is an event `error`."""
    head = _head(accepted, "chat.completion.chunk", model)
    rest = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return _event({**head, "choices": [choice], **rest})

    yield chunk({"role": "assistant", "content": ""})
    spoken = Spoken()
    try:
        async for event in follow(service, accepted, listener):
            if event is None:
                yield KEEPALIVE
            elif isinstance(event, Ended):
                refuse_waiting(accepted, event)
                if text := spoken.end(event):
                    yield chunk({"content": text})
                for number, call in enumerate(called_in_chat(event.end.calls)):
                    yield chunk({"tool_calls": [{"index": number, **call}]})
                yield chunk({}, _finish(event))
                if with_usage:
                    yield _event({**head, "choices": [], "usage": usage_of(event)})
            elif text := spoken.hear(event):
                yield chunk({"content": text})
    except ApiError as error:
        yield _event({"error": error_object(as_openai(error))})
    yield DONE


def _finish(ended: Ended) -> str:
    return "tool_calls" if ended.end.calls else "stop"


def _head(accepted: Accepted, kind: str, model: str) -> dict[str, Any]:
    return {
        "id": str(accepted.run_id),
        "object": kind,
        "created": made_at(accepted.run_id),
        "model": model,
    }


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
