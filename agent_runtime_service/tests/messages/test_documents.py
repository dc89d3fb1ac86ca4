"""Documents of callers that are taken as they are: only such as everything behind can hold."""

import base64
import json
from typing import Any

import pytest

from agent_runtime_service.messages.answer_forms import AnswerFormat
from kgents_shared.testing.model_server import ModelServer
from tests.external.running_runtime import Runtime


def _nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth):
        document = {"a": document}
    return document


UNKEEPABLE: list[dict[str, Any]] = [
    {"x": 2**70}, {"x": "\ud800"}, {"\ud800": 1}, {"x": "a\0b"}, {"a\0": 1}, {"x": [float("nan")]}, _nested(300),
]  # fmt: skip


async def test_what_nothing_behind_can_hold_is_refused_wherever_a_document_is_taken(runtime: Runtime):
    said = {"role": "user", "content": "Hi"}
    made = await runtime.ask("POST", "/api/v1/multi_agent/context", json={"name": "talk"})
    context = f"/api/v1/multi_agent/context/{made.json()['id']}"

    async def refused(method: str, path: str, body: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await runtime.ask(method, path, content=json.dumps(body), headers=headers)
        assert answer.status_code == 422, (path, answer.text)

    for bad in UNKEEPABLE:
        form = {"type": "json_schema", "schema": {"default": bad}}
        await refused("POST", "/api/v1/agents/helper/message", {"text": "Hi", "response_format": form})
        function = {"type": "function", "function": {"name": "f", "parameters": bad}}
        await refused("POST", "/v1/chat/completions", {"model": "helper", "messages": [said], "tools": [function]})
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": _nested(300)})}}
        called = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "tool_call_id": "c", "content": "done"}
        await refused("POST", "/v1/chat/completions", {"model": "helper", "messages": [said, called, result]})
        await refused("POST", "/api/v1/multi_agent/context", {"name": "talk", "metadata": bad})
        await refused("PUT", context, {"metadata": bad})
        await refused("POST", f"{context}/persist", {"data": bad})


def test_a_form_that_takes_seconds_to_look_through_is_refused():
    AnswerFormat.model_validate({"type": "json_schema", "schema": {"properties": {f"a{n}": {} for n in range(400)}}})
    for schema in ({"properties": {f"a{n}": {} for n in range(5000)}}, {"allOf": [True] * 5000}):
        with pytest.raises(ValueError, match="500 parts"):
            AnswerFormat.model_validate({"type": "json_schema", "schema": schema})


async def test_whoever_reads_a_conversation_is_told_which_pictures_are_in_it(runtime: Runtime, model: ModelServer):
    await runtime.add_agent("helper")
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400).decode()
    sent = {"text": "What is it?", "images": [{"media_type": "image/png", "data": picture}]}
    said = (await runtime.ask("POST", "/api/v1/agents/helper/message", json=sent)).json()
    read = await runtime.ask("GET", f"/api/v1/conversations/{said['conversation_id']}/messages")
    assert (read.json()["items"][0]["text"], read.json()["items"][0]["images"]) == ("What is it?", ["image/png"])
    await runtime.say("And now?", said["conversation_id"])
    assert picture in json.dumps(model.requests[-1].messages)
