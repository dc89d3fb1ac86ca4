"""Gemini's API (https://ai.google.dev/api/generate-content): `models/{model}:streamGenerateContent`, as events."""

import re
from typing import Any, Final
from urllib.parse import quote

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

_WHAT: Final = "a generateContent"
_PATH: Final = re.compile(r"v1(?:beta)?/models/[^/?]+:streamGenerateContent")
_SECONDS: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")
_CONFIG: Final = frozenset(
    {"topP", "topK", "seed", "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema"}
)
_CALLING: Final = frozenset({"functionCallingConfig"})
# Google's own client mixes the two spellings, which its servers take alike.
_CAMEL: Final = {"inline_data": "inlineData", "mime_type": "mimeType", "thought_signature": "thoughtSignature"}
# What else a part may be is fetched or run by Google's servers.
_PART_KINDS: Final = frozenset({"text", "inlineData", "functionCall", "functionResponse"})
_BESIDES: Final = frozenset({"thoughtSignature", "thought"})


class GoogleWire:
    """Text, images as data and functions pass; searching, fetching and running code at Google do not."""

    name = "google"
    stream_type = EVENT_STREAM
    list_path = "v1beta/models?pageSize=1000"

    def takes(self, path: str) -> bool:
        """See `Wire.takes`. Whichever model the path names, the version's own is asked."""
        return _PATH.fullmatch(path) is not None

    def call(self, raw: bytes, choice: ModelChoice) -> WireCall:
        """See `Wire.call`."""
        fields = parsed(raw, _WHAT)
        body: dict[str, Any] = {"contents": [_content(content) for content in rows(fields.get("contents"), _WHAT)]}
        if not body["contents"]:
            raise refused(_WHAT)
        system = fields.get("systemInstruction", fields.get("system_instruction"))
        if system is not None:
            body["systemInstruction"] = _content(table(system, _WHAT))
        if fields.get("tools"):
            body["tools"] = [_tool(tool) for tool in rows(fields["tools"], _WHAT)]
        if "toolConfig" in fields:
            body["toolConfig"] = only(table(fields["toolConfig"], _WHAT), _CALLING)
        config = only(table(fields.get("generationConfig", {}), _WHAT), _CONFIG)
        if choice.temperature is not None:
            config["temperature"] = choice.temperature
        if choice.max_tokens is not None:
            config["maxOutputTokens"] = choice.max_tokens
        if config:
            body["generationConfig"] = config
        model = quote(choice.model.removeprefix("models/"), safe="")
        return WireCall(f"v1beta/models/{model}:streamGenerateContent?alt=sse", body)

    def headers(self, api_key: str | None) -> dict[str, str]:
        """See `Wire.headers`."""
        return {"x-goog-api-key": api_key} if api_key else {}

    def meter(self, request_bytes: int) -> Meter:
        """See `Wire.meter`."""
        return _Meter(request_bytes)

    def said(self, document: Any) -> str | None:
        """`{"error": {"code", "message", "status", "details"}}`; in a stream that isn't one, a list of those."""
        error = dig(document, 0, "error") or dig(document, "error")
        message = dig(error, "message")
        return message if isinstance(message, str) else None

    def is_refusal(self, status: int, document: Any) -> bool:
        """A key that isn't one is a 400 here."""
        return status in {401, 403} or (status == 400 and "API key not valid" in (self.said(document) or ""))

    def retry_after_s(self, document: Any) -> float | None:
        """`google.rpc.RetryInfo` among the details."""
        error = dig(document, 0, "error") or dig(document, "error")
        details = dig(error, "details")
        for detail in details if isinstance(details, list) else ():
            delay = dig(detail, "retryDelay")
            found = _SECONDS.fullmatch(delay) if isinstance(delay, str) else None
            if found is not None:
                return float(found[1])
        return None


class _Meter(StreamMeter):
    def __init__(self, request_bytes: int) -> None:
        super().__init__("google", request_bytes, b"data:", self._chunk)

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            raise faults.reported("google", dig(chunk, "error", "message"))
        blocked = dig(chunk, "promptFeedback", "blockReason")
        if blocked is not None:
            raise faults.reported("google", f"it takes no such prompt ({blocked})")
        usage = chunk.get("usageMetadata")
        if usage is not None:
            self.prompt = count(usage, "promptTokenCount") + count(usage, "toolUsePromptTokenCount")
            self.completion = count(usage, "candidatesTokenCount") + count(usage, "thoughtsTokenCount")
            self.cached_tokens = count(usage, "cachedContentTokenCount")
        for candidate in chunk.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                self.text_chars += len(part.get("text") or "")
            self.whole = self.whole or candidate.get("finishReason") is not None


def _content(content: dict[str, Any]) -> dict[str, Any]:
    role = content.get("role")
    if role not in {None, "user", "model", "function"}:
        raise refused(_WHAT)
    parts = [_part(part) for part in rows(content.get("parts"), _WHAT)]
    return {"parts": parts} if role is None else {"role": role, "parts": parts}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    part = {_CAMEL.get(name, name): value for name, value in part.items()}
    kinds = part.keys() - _BESIDES
    if len(kinds) != 1 or not kinds <= _PART_KINDS:
        raise refused(_WHAT)
    if "text" in part and not isinstance(part["text"], str):
        raise refused(_WHAT)
    if "inlineData" in part:
        blob = {_CAMEL.get(name, name): value for name, value in table(part["inlineData"], _WHAT).items()}
        if blob.get("mimeType") not in IMAGE_TYPES:
            raise refused(_WHAT)
        part["inlineData"] = only(blob, frozenset({"mimeType", "data"}))
    if "functionResponse" in part:
        answer = table(part["functionResponse"], _WHAT)
        return part | {"functionResponse": only(answer, frozenset({"id", "name", "response"}))}
    return part


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    given = {name for name, value in tool.items() if value is not None}
    if given != {"functionDeclarations"}:
        raise refused(_WHAT)
    return {"functionDeclarations": rows(tool["functionDeclarations"], _WHAT)}
