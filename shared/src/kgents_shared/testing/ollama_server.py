"""A server that speaks Ollama's API (https://docs.ollama.com/api), scripted like `ModelServer`.

async with OllamaServer() as model:
    model.script("Hello!")          # OLLAMA_BASE_URL=model.base_url
"""

import json
from collections.abc import Iterator
from typing import Any, cast

from aiohttp import web

from kgents_shared.testing.dialects import OpenAiDialect, bearer, call_in_openais_shape, in_openais_shape
from kgents_shared.testing.model_answers import Reply, StatusFault
from kgents_shared.testing.model_requests import Json, JsonObject, ModelRequest, fault_of
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.model_wire import finish_reason, pieces_of, usage

_CREATED = "2025-01-01T00:00:00Z"
_LOAD_NS, _EVAL_NS = 120_000_000, 40_000_000
_SIZE, _LAYER = 2_019_393_189, 1_000_000


class OllamaDialect:
    """`POST /api/chat`, whole or as JSON lines."""

    base_path = ""
    list_path = "/api/tags"
    stream_type = "application/x-ndjson"

    def takes(self, path: str) -> bool:
        """See `Dialect.takes`."""
        return path == "/api/chat"

    def key_of(self, request: ModelRequest) -> str | None:
        """Ollama takes none; what stands before it may take a bearer."""
        return bearer(request)

    def read(self, request: ModelRequest) -> ModelRequest:
        """See `Dialect.read`. Calls have no ids on this wire: their order stands for them."""
        body = cast("dict[str, Any]", request.body)
        messages: list[JsonObject] = []
        unanswered: list[str] = []
        for number, message in enumerate(body.get("messages", ())):
            read: JsonObject = {"role": message.get("role"), "content": message.get("content", "")}
            if message.get("tool_calls"):
                calls = [call["function"] for call in message["tool_calls"]]
                unanswered = [f"{number}_{place}" for place in range(len(calls))]
                read["tool_calls"] = [
                    call_in_openais_shape(call_id, call["name"], call["arguments"])
                    for call_id, call in zip(unanswered, calls, strict=True)
                ]
            elif read["role"] == "tool":
                read["tool_call_id"] = unanswered.pop(0) if unanswered else ""
            messages.append(read)
        tools = [tool["function"] for tool in body.get("tools") or ()]
        stream = body.get("stream") is not False
        return in_openais_shape(request, messages, tools, model=str(body.get("model", "")), stream=stream)

    def fault(self, request: ModelRequest) -> str | None:
        """See `fault_of`."""
        return fault_of(request)

    def whole(self, request: ModelRequest, reply: Reply, number: int) -> JsonObject:
        """The message, with counts and times."""
        return _last(request, reply, reply.text)

    def chunks(self, request: ModelRequest, reply: Reply, number: int) -> Iterator[bytes]:
        """A line for each word; the calls in one of their own; the last one with counts and times."""
        for piece in pieces_of(reply.text):
            yield _line({**_head(request), "message": {"role": "assistant", "content": piece}, "done": False})
        if reply.tool_calls:
            yield _line({**_head(request), "message": _message(reply, ""), "done": False})
        yield _line({**_last(request, reply, ""), "message": {"role": "assistant", "content": ""}})

    def error(self, fault: StatusFault) -> JsonObject:
        """`{"error": "…"}`."""
        return {"error": fault.message}

    def models(self, models: list[str]) -> JsonObject:
        """What `/api/tags` lists."""
        found: list[Json] = [
            {"name": model, "model": model, "modified_at": _CREATED, "size": _SIZE, "digest": "0" * 64}
            for model in models
        ]
        return {"models": found}


class OllamaServer(ModelServer):
    """Ollama's chat, the OpenAI wire that it offers beside it, and its management of models.

    `loaded` are in memory; `library` is what can be pulled. Pulling one tells of three layers.
    """

    def __init__(self, *, api_key: str | None = None, models: tuple[str, ...] = ("llama3.2",)) -> None:
        super().__init__(api_key=api_key, models=models, dialects=(OllamaDialect(), OpenAiDialect()))
        self.loaded: list[str] = []
        self.library = ["qwen3:4b"]

    def add_routes(self, app: web.Application) -> None:
        """`GET /api/ps` and `POST /api/pull`."""
        app.router.add_get("/api/ps", self._running)
        app.router.add_post("/api/pull", self._pull)

    async def _running(self, _: web.Request) -> web.Response:
        rows = [
            {"name": model, "model": model, "size": _SIZE, "size_vram": _SIZE // 2, "expires_at": _CREATED}
            for model in self.loaded
        ]
        return web.json_response({"models": rows})

    async def _pull(self, http: web.Request) -> web.StreamResponse:
        model = str((await http.json())["model"])
        answer = web.StreamResponse(headers={"Content-Type": OllamaDialect.stream_type})
        await answer.prepare(http)
        await answer.write(_line({"status": "pulling manifest"}))
        if model not in self.library:
            await answer.write(_line({"error": "pull model manifest: file does not exist"}))
            return answer
        for layer in range(3):
            digest = f"sha256:{layer:064x}"
            for completed in (0, _LAYER // 2, _LAYER):
                told: JsonObject = {"status": f"pulling {layer}", "digest": digest, "total": _LAYER}
                await answer.write(_line(told | {"completed": completed}))
        self.models.append(model)
        await answer.write(_line({"status": "success"}))
        return answer


def _head(request: ModelRequest) -> JsonObject:
    return {"model": request.model, "created_at": _CREATED}


def _message(reply: Reply, text: str) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": text}
    if reply.tool_calls:
        message["tool_calls"] = [
            {"function": {"name": call.name, "arguments": json.loads(call.arguments)}} for call in reply.tool_calls
        ]
    return message


def _last(request: ModelRequest, reply: Reply, text: str) -> JsonObject:
    counted = usage(request, reply)
    return {
        **_head(request),
        "message": _message(reply, text),
        "done": True,
        "done_reason": "length" if finish_reason(reply) == "length" else "stop",
        "total_duration": _LOAD_NS + 2 * _EVAL_NS,
        "load_duration": _LOAD_NS,
        "prompt_eval_count": counted["prompt_tokens"],
        "prompt_eval_duration": _EVAL_NS,
        "eval_count": counted["completion_tokens"],
        "eval_duration": _EVAL_NS,
    }


def _line(document: JsonObject) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
