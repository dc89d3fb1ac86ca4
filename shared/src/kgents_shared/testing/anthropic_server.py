"""A server that speaks Anthropic's Messages (https://docs.anthropic.com/en/api/messages), scripted like `ModelServer`.

async with AnthropicServer(api_key="sk-ant-test") as model:
    model.script("Hello!")          # ANTHROPIC_BASE_URL=model.base_url
"""

import json
from collections.abc import Iterator
from typing import Any, cast

from kgents_shared.testing.dialects import OpenAiDialect, call_in_openais_shape, in_openais_shape, sse
from kgents_shared.testing.model_answers import Reply, StatusFault
from kgents_shared.testing.model_requests import Json, JsonObject, ModelRequest, fault_of
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.model_wire import pieces_of, usage

_STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_ERRORS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class AnthropicDialect:
    """`POST /v1/messages`, whole or as named events."""

    base_path = ""
    list_path = "/v1/models"
    stream_type = "text/event-stream"

    def takes(self, path: str) -> bool:
        """See `Dialect.takes`."""
        return path == "/v1/messages"

    def key_of(self, request: ModelRequest) -> str | None:
        """`x-api-key`."""
        return request.headers.get("x-api-key")

    def read(self, request: ModelRequest) -> ModelRequest:
        """See `Dialect.read`."""
        body = cast("dict[str, Any]", request.body)
        messages: list[JsonObject] = []
        if body.get("system"):
            messages.append({"role": "system", "content": _text(body["system"])})
        for message in body.get("messages", ()):
            messages += _messages(message)
        tools = [
            {"name": tool["name"], "description": tool.get("description", ""), "parameters": tool["input_schema"]}
            for tool in body.get("tools", ())
        ]
        return in_openais_shape(
            request, messages, tools, model=str(body.get("model", "")), stream=body.get("stream") is True
        )

    def fault(self, request: ModelRequest) -> str | None:
        """What Messages demands beyond what all wires do."""
        given = json.loads(request.raw)
        if "anthropic-version" not in request.headers:
            return "anthropic-version: header is required"
        if not isinstance(given.get("max_tokens"), int):
            return "max_tokens: Field required"
        return fault_of(request)

    def whole(self, request: ModelRequest, reply: Reply, number: int) -> JsonObject:
        """A `message`."""
        content: list[Json] = [{"type": "text", "text": reply.text}] if reply.text else []
        content += [
            {
                "type": "tool_use",
                "id": call.id or f"toolu_{number}_{index}",
                "name": call.name,
                "input": json.loads(call.arguments),
            }
            for index, call in enumerate(reply.tool_calls)
        ]
        return {
            **_head(request, number),
            "content": content,
            "stop_reason": _stop(reply),
            "usage": _usage(request, reply),
        }

    def chunks(self, request: ModelRequest, reply: Reply, number: int) -> Iterator[bytes]:
        """`message_start`, the blocks with their deltas, `message_delta`, `message_stop`."""
        spent = _usage(request, reply)
        begun: JsonObject = {**spent, "output_tokens": 1}
        yield _event(
            "message_start", {"message": {**_head(request, number), "content": [], "stop_reason": None, "usage": begun}}
        )
        index = 0
        if reply.text:
            yield _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
            for piece in pieces_of(reply.text):
                yield _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
            yield _event("content_block_stop", {"index": 0})
            index = 1
        for place, call in enumerate(reply.tool_calls, index):
            block: JsonObject = {
                "type": "tool_use", "id": call.id or f"toolu_{number}_{place}", "name": call.name, "input": {},
            }  # fmt: skip
            yield _event("content_block_start", {"index": place, "content_block": block})
            middle = len(call.arguments) // 2
            for part in (call.arguments[:middle], call.arguments[middle:]):
                delta: JsonObject = {"type": "input_json_delta", "partial_json": part}
                yield _event("content_block_delta", {"index": place, "delta": delta})
            yield _event("content_block_stop", {"index": place})
        yield _event("message_delta", {"delta": {"stop_reason": _stop(reply), "stop_sequence": None}, "usage": spent})
        yield _event("message_stop", {})

    def error(self, fault: StatusFault) -> JsonObject:
        """`{"type": "error", "error": {…}}`."""
        kind = _ERRORS.get(fault.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": fault.message}}

    def models(self, models: list[str]) -> JsonObject:
        """A page of models."""
        data: list[Json] = [{"type": "model", "id": model, "display_name": model} for model in models]
        return {"data": data, "has_more": False, "first_id": models[0], "last_id": models[-1]}


class AnthropicServer(ModelServer):
    """Messages, and the OpenAI wire that Anthropic offers beside it."""

    def __init__(self, *, api_key: str | None = None, models: tuple[str, ...] = ("claude-test",)) -> None:
        super().__init__(api_key=api_key, models=models, dialects=(AnthropicDialect(), OpenAiDialect()))


def _event(name: str, fields: JsonObject) -> bytes:
    return sse({"type": name, **fields}, name)


def _head(request: ModelRequest, number: int) -> JsonObject:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "stop_sequence": None,
    }


def _stop(reply: Reply) -> str:
    return _STOPS[reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")]


def _usage(request: ModelRequest, reply: Reply) -> JsonObject:
    counted = usage(request, reply)
    return {
        "input_tokens": counted["prompt_tokens"],
        "output_tokens": counted["completion_tokens"],
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


def _messages(message: dict[str, Any]) -> list[JsonObject]:
    """One message of Anthropic's is several where it holds results of tools."""
    content = message["content"]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    results: list[JsonObject] = [
        {"role": "tool", "tool_call_id": block["tool_use_id"], "content": _text(block.get("content", ""))}
        for block in blocks
        if block["type"] == "tool_result"
    ]
    calls: list[Json] = [
        call_in_openais_shape(block["id"], block["name"], block["input"])
        for block in blocks
        if block["type"] == "tool_use"
    ]
    said: JsonObject = {"role": message["role"], "content": _text(blocks)}
    if calls:
        said["tool_calls"] = calls
    has_more = any(block["type"] in {"text", "image", "tool_use"} for block in blocks)
    return [*results, said] if has_more else results


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")
