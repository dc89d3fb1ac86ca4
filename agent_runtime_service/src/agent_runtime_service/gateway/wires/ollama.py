"""Ollama's own API (https://docs.ollama.com/api/chat): `POST /api/chat`, as JSON lines."""

from typing import Any, Final

from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.wires.wire import (
    StreamMeter,
    WireCall,
    count,
    only,
    parsed,
    refused,
    rows,
    table,
)
from kgents_shared.contracts.worker import ModelChoice

NDJSON: Final = "application/x-ndjson"
_WHAT: Final = "an Ollama chat"
_PASSED: Final = frozenset({"messages", "tools", "format"})
_MESSAGE: Final = frozenset({"role", "content", "images", "tool_calls", "tool_name", "tool_call_id"})
# How a model is loaded is the operator's: its context's size, the layers on the graphics card, how long it stays.
_OPTIONS: Final = frozenset({"top_k", "top_p", "seed", "stop"})


class OllamaWire:
    """Text, images as data and functions pass; how and for how long a model is loaded does not."""

    name = "ollama"
    stream_type = NDJSON
    list_path = "api/tags"

    def takes(self, path: str) -> bool:
        """See `Wire.takes`."""
        return path == "api/chat"

    def call(self, raw: bytes, choice: ModelChoice) -> WireCall:
        """See `Wire.call`."""
        fields = parsed(raw, _WHAT)
        body = {name: value for name, value in only(fields, _PASSED).items() if value is not None}
        body["messages"] = [_message(message) for message in rows(fields.get("messages"), _WHAT)]
        if not body["messages"]:
            raise refused(_WHAT)
        for tool in rows(body.get("tools"), _WHAT):
            if tool.get("type", "function") != "function":
                raise refused(_WHAT)
        options = only(table(fields.get("options") or {}, _WHAT), _OPTIONS)
        if choice.temperature is not None:
            options["temperature"] = choice.temperature
        if choice.max_tokens is not None:
            options["num_predict"] = choice.max_tokens
        if options:
            body["options"] = options
        return WireCall("api/chat", body | {"model": choice.model, "stream": True})

    def headers(self, api_key: str | None) -> dict[str, str]:
        """See `Wire.headers`; Ollama itself takes none, what stands before it may."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def meter(self, request_bytes: int) -> "OllamaMeter":
        """See `Wire.meter`."""
        return OllamaMeter(request_bytes)

    def said(self, document: Any) -> str | None:
        """`{"error": "…"}`."""
        message = document.get("error") if isinstance(document, dict) else None
        return message if isinstance(message, str) else None

    def is_refusal(self, status: int, document: Any) -> bool:
        """Told by the status alone."""
        return status in {401, 403}

    def retry_after_s(self, document: Any) -> float | None:
        """Told by a header."""
        return None


class OllamaMeter(StreamMeter):
    """`last` is the line that ends an answer: it tells the times of loading and evaluating, in nanoseconds."""

    def __init__(self, request_bytes: int) -> None:
        super().__init__("ollama", request_bytes, b"", self._chunk)
        self.last: dict[str, Any] = {}

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            raise faults.reported("ollama", str(chunk["error"]))
        message = chunk["message"]
        self.text_chars += len(message.get("content") or "") + len(message.get("thinking") or "")
        if chunk.get("done"):
            self.whole = True
            self.last = chunk
            # What it has in its cache it doesn't count, and a prompt that it has whole it doesn't tell at all.
            self.prompt = count(chunk, "prompt_eval_count") if "prompt_eval_count" in chunk else None
            self.completion = count(chunk, "eval_count") if "eval_count" in chunk else None


def _message(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") not in {"system", "user", "assistant", "tool"}:
        raise refused(_WHAT)
    if not isinstance(message.get("content", ""), str):
        raise refused(_WHAT)
    images = message.get("images") or []
    if not isinstance(images, list) or not all(isinstance(image, str) and "://" not in image for image in images):
        raise refused(_WHAT)
    return {name: value for name, value in only(message, _MESSAGE).items() if value is not None}
