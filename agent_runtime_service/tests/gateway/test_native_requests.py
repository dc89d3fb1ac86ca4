"""What a worker whose code does what it likes can't say on a provider's own wire: none is a way out of the sandbox."""

from typing import Any

import orjson
import pytest

from agent_runtime_service.gateway.wires.anthropic import AnthropicWire
from agent_runtime_service.gateway.wires.google import GoogleWire
from agent_runtime_service.gateway.wires.ollama import OllamaWire
from agent_runtime_service.gateway.wires.wire import Wire
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import InvalidInput

PINNED = ModelChoice(provider="any", model="a/pinned model", temperature=0.5, max_tokens=100)
ANTHROPIC, GOOGLE, OLLAMA = AnthropicWire(), GoogleWire(), OllamaWire()
SAID: dict[Wire, dict[str, Any]] = {
    ANTHROPIC: {"messages": [{"role": "user", "content": "x"}]},
    GOOGLE: {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
    OLLAMA: {"messages": [{"role": "user", "content": "x"}]},
}


def checked(wire: Wire, **fields: Any) -> dict[str, Any]:
    return wire.call(orjson.dumps(SAID[wire] | fields), PINNED).body


def anthropic(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def google(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


ELSEWHERE = "http://169.254.169.254/latest?leak=canary"
HOSTILE: list[tuple[Wire, dict[str, Any]]] = [
    (ANTHROPIC, anthropic({"type": "image", "source": {"type": "url", "url": ELSEWHERE}})),
    (ANTHROPIC, anthropic({"type": "image", "source": {"type": "file", "file_id": "of-another"}})),
    (ANTHROPIC, anthropic({"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": ""}})),
    (ANTHROPIC, anthropic({"type": "document", "source": {"type": "url", "url": ELSEWHERE}})),
    (ANTHROPIC, anthropic({"type": "tool_result", "content": [{"type": "document"}], "tool_use_id": "x"})),
    (ANTHROPIC, anthropic("text")),
    (ANTHROPIC, {"messages": [{"role": "system", "content": "x"}]}),
    (ANTHROPIC, {"system": [{"type": "tool_use"}]}),
    (ANTHROPIC, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    (ANTHROPIC, {"tools": [{"type": "code_execution_20250522", "name": "x", "input_schema": {}}]}),
    (GOOGLE, google({"fileData": {"fileUri": ELSEWHERE, "mimeType": "image/png"}})),
    (GOOGLE, google({"file_data": {"file_uri": ELSEWHERE}})),
    (GOOGLE, google({"text": "x", "executableCode": {"code": "x"}})),
    (GOOGLE, google({"inlineData": {"mimeType": "video/mp4", "data": ""}})),
    (GOOGLE, google({"text": {"x": 1}})),
    (GOOGLE, {"contents": [{"role": "tool", "parts": []}]}),
    (GOOGLE, {"tools": [{"googleSearch": {}}]}),
    (GOOGLE, {"tools": [{"functionDeclarations": [], "urlContext": {}}]}),
    (GOOGLE, {"tools": [{"codeExecution": {}}]}),
    (OLLAMA, {"messages": [{"role": "user", "content": "x", "images": [ELSEWHERE]}]}),
    (OLLAMA, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
    (OLLAMA, {"tools": [{"type": "web_search"}]}),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_what_the_provider_would_fetch_or_carry_out_itself_is_refused(number: int):
    wire, fields = HOSTILE[number]
    with pytest.raises(InvalidInput):
        checked(wire, **fields)


@pytest.mark.parametrize("wire", [ANTHROPIC, GOOGLE, OLLAMA], ids=["anthropic", "google", "ollama"])
def test_model_and_limits_are_the_versions_and_nothing_but_what_is_known_passes(wire: Wire):
    body = checked(
        wire,
        model="dearer",
        max_tokens=9,
        temperature=2,
        stream=False,
        metadata={"user_id": "x"},
        service_tier="priority",
        mcp_servers=[{"url": ELSEWHERE}],
        container="of-another",
        thinking={"type": "enabled", "budget_tokens": 10**6},
        cachedContent="cachedContents/of-another",
        labels={},
        generationConfig={"maxOutputTokens": 9, "temperature": 2, "candidateCount": 8, "topP": 0.5},
        options={"num_ctx": 10**6, "num_predict": 9, "num_gpu": 99, "temperature": 2, "top_p": 0.5},
        keep_alive=-1,
    )
    expected: dict[Wire, dict[str, Any]] = {
        ANTHROPIC: {"model": "a/pinned model", "max_tokens": 100, "temperature": 0.5, "stream": True},
        GOOGLE: {"generationConfig": {"maxOutputTokens": 100, "temperature": 0.5, "topP": 0.5}},
        OLLAMA: {
            "model": "a/pinned model",
            "stream": True,
            "options": {"num_predict": 100, "temperature": 0.5, "top_p": 0.5},
        },
    }
    assert body == SAID[wire] | expected[wire]
    assert wire.call(orjson.dumps(SAID[wire]), PINNED).path in {
        "v1/messages", "v1beta/models/a%2Fpinned%20model:streamGenerateContent?alt=sse", "api/chat",
    }  # fmt: skip


@pytest.mark.parametrize("wire", [ANTHROPIC, GOOGLE, OLLAMA], ids=["anthropic", "google", "ollama"])
@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"{}", b'{"messages": [], "contents": []}', b'{"messages": "x"}'])
def test_what_is_no_request_is_refused(wire: Wire, raw: bytes):
    with pytest.raises(InvalidInput):
        wire.call(raw, PINNED)


@pytest.mark.parametrize(
    ("wire", "path", "passes"),
    [
        (ANTHROPIC, "v1/messages", True),
        (ANTHROPIC, "v1/messages/batches", False),
        (ANTHROPIC, "v1/files", False),
        (GOOGLE, "v1beta/models/gemini:streamGenerateContent", True),
        (GOOGLE, "v1beta/models/gemini:generateContent", False),
        (GOOGLE, "v1beta/models/../files:streamGenerateContent", False),
        (GOOGLE, "v1beta/cachedContents", False),
        (OLLAMA, "api/chat", True),
        (OLLAMA, "api/pull", False),
        (OLLAMA, "api/delete", False),
    ],
)
def test_only_the_path_that_generates_passes(wire: Wire, path: str, passes: bool):
    assert wire.takes(path) is passes


def test_what_providers_say_of_keys_and_waits_is_understood():
    bad_key = {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}
    assert GOOGLE.is_refusal(400, bad_key)
    assert not GOOGLE.is_refusal(400, {"error": {"message": "other"}})
    assert not ANTHROPIC.is_refusal(400, bad_key)
    wait = {"error": {"details": [{"@type": "x"}, {"retryDelay": "17.5s"}]}}
    assert GOOGLE.retry_after_s(wait) == GOOGLE.retry_after_s([wait]) == 17.5
    for nothing in (None, [], {}, "x", {"error": "y"}, {"error": {"details": [1, {"retryDelay": "soon"}]}}):
        assert GOOGLE.retry_after_s(nothing) is None
        assert all(wire.said(nothing) is None or wire is OLLAMA for wire in SAID)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("wire", [ANTHROPIC, GOOGLE, OLLAMA], ids=["anthropic", "google", "ollama"])
def test_usage_is_counted_however_the_bytes_are_cut_and_guessed_where_nobody_tells(wire: Wire, size: int):
    answers: dict[Wire, bytes] = {
        ANTHROPIC: b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5,'
        b'"cache_read_input_tokens":2,"cache_creation_input_tokens":1}}}\n\n'
        b'data: {"type":"ping"}\n\n'
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"some words"}}\n\n'
        b'data: {"type":"message_delta","usage":{"output_tokens":3}}\n\ndata: {"type":"message_stop"}\n\n',
        GOOGLE: b'data: {"candidates":[{"content":{"parts":[{"text":"some words"}]}}]}\r\n\r\n'
        b'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,'
        b'"cachedContentTokenCount":2,"candidatesTokenCount":1,"thoughtsTokenCount":2}}\r\n\r\n',
        OLLAMA: b'{"message":{"content":"some words"}}\n'
        b'{"message":{},"done":true,"prompt_eval_count":8,"eval_count":3}',
    }
    told = answers[wire]
    meter = wire.meter(400)
    for start in range(0, len(told), size):
        meter.see(told[start : start + size])
    meter.end()
    assert meter.size == len(told)
    assert meter.tokens() == (8, 3, False)
    assert meter.cached_tokens == (0 if wire is OLLAMA else 2)
    silent = wire.meter(400)
    silent.see(told.replace(b"usage", b"wasted").replace(b"_count", b"_lost"))
    assert silent.tokens() == (100, 2, True)
