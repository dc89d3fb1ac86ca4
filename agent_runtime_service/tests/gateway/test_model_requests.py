"""What a worker whose code does what it likes can't say to a model: the provider is no way out of the sandbox."""

from typing import Any

import orjson
import pytest

from agent_runtime_service.gateway.request import checked_request
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import InvalidInput

CHOICE = ModelChoice(provider="openai", model="pinned")
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {}}}


def _checked(**fields: Any) -> dict[str, Any]:
    return checked_request(orjson.dumps({"messages": [{"role": "user", "content": "x"}], **fields}), CHOICE)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest?leak=canary"}},
        {"type": "file", "file": {"file_id": "file-of-another-agent"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"image_url": "http://127.0.0.1"},
        "text",
        None,
    ],
)
def test_a_message_that_has_a_provider_fetch_something_is_refused(part: Any):
    for content in ([part], [{"type": "text", "text": "x"}, part], part if isinstance(part, dict) else 1):
        with pytest.raises(InvalidInput):
            _checked(messages=[{"role": "user", "content": content}])


@pytest.mark.parametrize(
    "tools", [[{"type": "web_search"}], [FUNCTION, {"type": "mcp"}], [1], {"type": "function"}, "x"]
)
def test_tools_of_the_providers_own_are_refused(tools: Any):
    with pytest.raises(InvalidInput):
        _checked(tools=tools)


@pytest.mark.parametrize("messages", [["x"], [None], [[]]])
def test_messages_that_are_none_are_refused(messages: Any):
    with pytest.raises(InvalidInput):
        _checked(messages=messages)


def test_of_a_message_only_what_is_known_passes():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "", "tool_call_id": "c"},
    ]
    sent = [{**message, "audio": {"id": "of-another"}, "cache_control": {}} for message in messages]
    checked = _checked(messages=sent, tools=[FUNCTION])
    assert checked["messages"] == messages
    assert checked["tools"] == [FUNCTION]
