"""A server that speaks Gemini's API (https://ai.google.dev/api/generate-content), scripted like `ModelServer`.

async with GeminiServer(api_key="AIza-test") as model:
    model.script("Hello!")          # GOOGLE_BASE_URL=model.base_url
"""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from kgents_shared.testing.dialects import OpenAiDialect, call_in_openais_shape, in_openais_shape, sse
from kgents_shared.testing.model_answers import Reply, StatusFault
from kgents_shared.testing.model_requests import Json, JsonObject, ModelRequest, fault_of
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.model_wire import pieces_of, usage

_GENERATE = re.compile(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent)")
_STOPS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


class GeminiDialect:
    """`models/{model}:generateContent` and `:streamGenerateContent?alt=sse`."""

    base_path = ""
    list_path = "/v1beta/models"
    stream_type = "text/event-stream"

    def takes(self, path: str) -> bool:
        """See `Dialect.takes`."""
        return _GENERATE.fullmatch(path) is not None

    def key_of(self, request: ModelRequest) -> str | None:
        """`x-goog-api-key`."""
        return request.headers.get("x-goog-api-key")

    def read(self, request: ModelRequest) -> ModelRequest:
        """See `Dialect.read`. Calls have no ids on this wire: a name stands for one."""
        body = cast("dict[str, Any]", request.body)
        found = _GENERATE.fullmatch(request.path)
        messages: list[JsonObject] = []
        if body.get("systemInstruction"):
            messages.append({"role": "system", "content": _text(body["systemInstruction"]["parts"])})
        for content in body.get("contents", ()):
            messages += _messages(content)
        tools: list[JsonObject] = [
            {"name": tool["name"], "description": tool.get("description", "")}
            for given in body.get("tools", ())
            for tool in given["functionDeclarations"]
        ]
        model, method = (found[1], found[2]) if found is not None else ("", "")
        return in_openais_shape(request, messages, tools, model=model, stream=method == "streamGenerateContent")

    def fault(self, request: ModelRequest) -> str | None:
        """What Gemini demands beyond what all wires do."""
        given = json.loads(request.raw)
        roles = {content.get("role") for content in given.get("contents", ())}
        if not roles <= {"user", "model"}:
            return "Please use a valid role: user, model."
        return fault_of(request)

    def whole(self, request: ModelRequest, reply: Reply, number: int) -> JsonObject:
        """A `GenerateContentResponse`."""
        parts: list[Json] = [{"text": reply.text}] if reply.text else []
        return _response(request, reply, parts + _calls(reply), number, is_last=True)

    def chunks(self, request: ModelRequest, reply: Reply, number: int) -> Iterator[bytes]:
        """One response for each word, the last one with the calls, the reason and the usage."""
        for piece in pieces_of(reply.text):
            yield sse(_response(request, reply, [{"text": piece}], number, is_last=False))
        yield sse(_response(request, reply, _calls(reply) or [{"text": ""}], number, is_last=True))

    def error(self, fault: StatusFault) -> JsonObject:
        """`{"error": {"code", "message", "status", "details"}}`: no header says when to try again."""
        details: list[Json] = []
        if "Retry-After" in fault.headers:
            delay = f"{fault.headers['Retry-After']}s"
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
        status = _STATUSES.get(fault.status, "INTERNAL")
        return {"error": {"code": fault.status, "message": fault.message, "status": status, "details": details}}

    def models(self, models: list[str]) -> JsonObject:
        """`{"models": […]}`."""
        found: list[Json] = [
            {
                "name": f"models/{model}",
                "displayName": model,
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent"],
            }
            for model in models
        ]
        return {"models": found}


class GeminiServer(ModelServer):
    """Gemini's API, and the OpenAI wire that Google offers beside it."""

    def __init__(self, *, api_key: str | None = None, models: tuple[str, ...] = ("gemini-test",)) -> None:
        dialects = (GeminiDialect(), OpenAiDialect("/v1beta/openai"))
        super().__init__(api_key=api_key, models=models, dialects=dialects)


def _response(request: ModelRequest, reply: Reply, parts: list[Json], number: int, *, is_last: bool) -> JsonObject:
    candidate: JsonObject = {"index": 0, "content": {"role": "model", "parts": parts}}
    response: JsonObject = {
        "candidates": [candidate], "modelVersion": request.model, "responseId": f"response-{number}",
    }  # fmt: skip
    if is_last:
        counted = usage(request, reply)
        candidate["finishReason"] = _STOPS[reply.finish_reason or "stop"]
        response["usageMetadata"] = {
            "promptTokenCount": counted["prompt_tokens"],
            "candidatesTokenCount": counted["completion_tokens"],
            "totalTokenCount": counted["total_tokens"],
        }
    return response


def _calls(reply: Reply) -> list[Json]:
    return [{"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in reply.tool_calls]


def _messages(content: dict[str, Any]) -> list[JsonObject]:
    parts: list[dict[str, Any]] = content["parts"]
    results: list[JsonObject] = [
        {
            "role": "tool",
            "tool_call_id": part["functionResponse"]["name"],
            "content": _result(part["functionResponse"]["response"]),
        }
        for part in parts
        if "functionResponse" in part
    ]
    said: JsonObject = {"role": "user" if content.get("role") == "user" else "assistant", "content": _text(parts)}
    calls: list[Json] = [
        call_in_openais_shape(part["functionCall"]["name"], part["functionCall"]["name"], part["functionCall"]["args"])
        for part in parts
        if "functionCall" in part
    ]
    if calls:
        said["tool_calls"] = calls
    has_more = any({"text", "inlineData", "functionCall"} & part.keys() for part in parts)
    return [*results, said] if has_more else results


def _result(response: dict[str, Any]) -> str:
    """What a tool gave, however it is wrapped."""
    [value] = response.values()
    return value if isinstance(value, str) else json.dumps(value)


def _text(parts: list[dict[str, Any]]) -> str:
    return "".join(part.get("text", "") for part in parts)
