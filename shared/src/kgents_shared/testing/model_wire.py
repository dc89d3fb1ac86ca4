"""Answers in OpenAI's published shapes: `chat.completion`, `chat.completion.chunk` and the error object.

Source: https://platform.openai.com/docs/api-reference/chat.
"""

import json
import re
from collections.abc import Iterator

from kgents_shared.testing.model_answers import Reply, StatusFault, ToolCall
from kgents_shared.testing.model_requests import Json, JsonObject, ModelRequest, text_of

DONE = b"data: [DONE]\n\n"
_CREATED = 1_735_689_600  # a fixed second, so that equal requests get equal answers
_PIECE = re.compile(r"\s*\S+|\s+$")


def error_object(fault: StatusFault) -> JsonObject:
    """`{"error": {…}}` as every OpenAI endpoint answers a fault."""
    return {"error": {"message": fault.message, "type": fault.kind, "param": None, "code": fault.code}}


def completion(request: ModelRequest, reply: Reply, number: int) -> JsonObject:
    """The whole answer; `number` makes its id."""
    calls: list[Json] = [_tool_call(call, number, index, call.arguments) for index, call in enumerate(reply.tool_calls)]
    content = (reply.text or None) if calls else reply.text
    message: JsonObject = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": _CREATED,
        "model": request.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(reply)},
        ],
        "usage": usage(request, reply),
    }


def sse_chunks(request: ModelRequest, reply: Reply, number: int) -> Iterator[bytes]:
    """The answer as server-sent events: a word, or half of a call's arguments each; [DONE] is the caller's."""
    yield _event(request, number, {"role": "assistant", "content": "" if not reply.tool_calls else None})
    for piece in pieces_of(reply.text):
        yield _event(request, number, {"content": piece})
    for index, call in enumerate(reply.tool_calls):
        yield from _tool_call_events(request, number, index, call)
    yield _event(request, number, {}, finish_reason(reply))
    if request.include_usage:
        yield _encode({**_chunk_head(request, number), "choices": [], "usage": usage(request, reply)})


def pieces_of(text: str) -> list[str]:
    """A text as it is streamed: word by word."""
    return _PIECE.findall(text)


def usage(request: ModelRequest, reply: Reply) -> JsonObject:
    """Token counts: words, unless the reply states its own."""
    prompt = reply.prompt_tokens
    if prompt is None:
        prompt = sum(len(text_of(message).split()) for message in request.messages)
    answered = reply.completion_tokens
    if answered is None:
        answered = len(reply.text.split()) + sum(len(call.arguments.split()) for call in reply.tool_calls)
    return {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered}


def finish_reason(reply: Reply) -> str:
    """Why the model stopped."""
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def models_list(models: list[str]) -> JsonObject:
    """The answer of `GET /v1/models`."""
    data: list[Json] = [
        {"id": model, "object": "model", "created": _CREATED, "owned_by": "kgents-testing"} for model in models
    ]
    return {"object": "list", "data": data}


def _tool_call(call: ToolCall, number: int, index: int, arguments: str) -> JsonObject:
    return {
        "id": call.id or f"call_{number}_{index}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _tool_call_events(request: ModelRequest, number: int, index: int, call: ToolCall) -> Iterator[bytes]:
    yield _event(request, number, {"tool_calls": [{"index": index, **_tool_call(call, number, index, "")}]})
    middle = len(call.arguments) // 2
    for part in (call.arguments[:middle], call.arguments[middle:]):
        if part:
            yield _event(request, number, {"tool_calls": [{"index": index, "function": {"arguments": part}}]})


def _chunk_head(request: ModelRequest, number: int) -> JsonObject:
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": request.model,
    }


def _event(request: ModelRequest, number: int, delta: JsonObject, finish: str | None = None) -> bytes:
    chunk: JsonObject = {
        **_chunk_head(request, number),
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    if request.include_usage:
        chunk["usage"] = None
    return _encode(chunk)


def _encode(chunk: JsonObject) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
