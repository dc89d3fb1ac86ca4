"""Anthropic's Messages (https://docs.anthropic.com/en/api/messages): `POST /v1/messages`, streamed."""

from typing import Any, Final

from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.providers import EVENT_STREAM
from agent_runtime_service.gateway.wires.wire import (
    IMAGE_TYPES,
    Meter,
    StreamMeter,
    WireCall,
    count,
    dig,
    only,
    parsed,
    refused,
    rows,
    table,
)
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import ApiError

_WHAT: Final = "a Messages"
_VERSION: Final = "2023-06-01"
# This wire demands a number; every model that is offered today may say so much.
_MAX_TOKENS: Final = 8192
_PASSED: Final = frozenset({"messages", "system", "tools", "tool_choice", "stop_sequences", "top_p", "top_k"})
_TEXT: Final = frozenset({"type", "text"})
_TOOL: Final = frozenset({"name", "description", "input_schema"})
_TOOL_USE: Final = frozenset({"type", "id", "name", "input"})
_TOOL_RESULT: Final = frozenset({"type", "tool_use_id", "content", "is_error"})


class AnthropicWire:
    """Text, images as data and functions pass; the tools that Anthropic's servers carry out do not."""

    name = "anthropic"
    stream_type = EVENT_STREAM
    list_path = "v1/models?limit=1000"

    def takes(self, path: str) -> bool:
        """See `Wire.takes`."""
        return path == "v1/messages"

    def call(self, raw: bytes, choice: ModelChoice) -> WireCall:
        """See `Wire.call`."""
        fields = parsed(raw, _WHAT)
        body = only(fields, _PASSED)
        body["messages"] = [_message(message) for message in rows(fields.get("messages"), _WHAT)]
        if not body["messages"]:
            raise refused(_WHAT)
        if "system" in fields:
            body["system"] = _content(fields["system"], nested=True)
        if "tools" in fields:
            body["tools"] = [_tool(tool) for tool in rows(fields["tools"], _WHAT)]
        schema = dig(fields, "output_config", "format")
        if schema is not None:
            body["output_config"] = {"format": only(table(schema, _WHAT), frozenset({"type", "schema"}))}
        body |= {"model": choice.model, "max_tokens": choice.max_tokens or _MAX_TOKENS, "stream": True}
        if choice.temperature is not None:
            body["temperature"] = choice.temperature
        return WireCall("v1/messages", body)

    def headers(self, api_key: str | None) -> dict[str, str]:
        """See `Wire.headers`."""
        return {"anthropic-version": _VERSION} | ({"x-api-key": api_key} if api_key else {})

    def meter(self, request_bytes: int) -> Meter:
        """See `Wire.meter`."""
        return _Meter(request_bytes)

    def said(self, document: Any) -> str | None:
        """`{"type": "error", "error": {"type", "message"}}`."""
        message = dig(document, "error", "message")
        return message if isinstance(message, str) else None

    def is_refusal(self, status: int, document: Any) -> bool:
        """Told by the status alone."""
        return status in {401, 403}

    def retry_after_s(self, document: Any) -> float | None:
        """Told by a header."""
        return None


class _Meter(StreamMeter):
    def __init__(self, request_bytes: int) -> None:
        super().__init__("anthropic", request_bytes, b"data:", self._event)

    def _event(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                if usage := event["message"].get("usage"):
                    self.cached_tokens = count(usage, "cache_read_input_tokens")
                    new = count(usage, "input_tokens") + count(usage, "cache_creation_input_tokens")
                    self.prompt = new + self.cached_tokens
            case "content_block_delta":
                delta = event["delta"]
                self.text_chars += len(delta.get("text") or delta.get("partial_json") or delta.get("thinking") or "")
            case "message_delta":
                usage = event.get("usage") or {}
                if "output_tokens" in usage:
                    self.completion = count(usage, "output_tokens")
            case "message_stop":
                self.whole = True
            case "error":
                raise _fault(event)
            case _:
                return


def _fault(event: dict[str, Any]) -> ApiError:
    if dig(event, "error", "type") == "rate_limit_error":
        return faults.rate_limited("anthropic", 1)
    message = dig(event, "error", "message")
    return faults.reported("anthropic", message if isinstance(message, str) else None)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") not in {"user", "assistant"}:
        raise refused(_WHAT)
    return {"role": message["role"], "content": _content(message.get("content"))}


def _content(content: Any, *, nested: bool = False) -> Any:
    if isinstance(content, str):
        return content
    return [_block(block, nested=nested) for block in rows(content, _WHAT)]


def _block(block: dict[str, Any], *, nested: bool) -> dict[str, Any]:
    """`nested` blocks stand in a tool's result or in the system prompt and call no tool themselves."""
    match block.get("type"):
        case "text" if isinstance(block.get("text"), str):
            return only(block, _TEXT)
        case "image":
            source = table(block.get("source"), _WHAT)
            if source.get("type") != "base64" or source.get("media_type") not in IMAGE_TYPES:
                raise refused(_WHAT)
            return {"type": "image", "source": only(source, frozenset({"type", "media_type", "data"}))}
        case "tool_use" if not nested:
            return only(block, _TOOL_USE)
        case "tool_result" if not nested:
            given = only(block, _TOOL_RESULT)
            return given | ({"content": _content(given["content"], nested=True)} if "content" in given else {})
        case _:
            raise refused(_WHAT)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A function of the agent's; what has another type is carried out by Anthropic's servers."""
    if tool.get("type", "custom") != "custom" or "input_schema" not in tool:
        raise refused(_WHAT)
    return only(tool, _TOOL)
