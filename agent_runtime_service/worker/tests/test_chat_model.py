"""The chat model as LangChain's users meet it, and the wire beneath."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import aiohttp
import orjson
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from agent_worker.chat_model import DoorChatModel
from agent_worker.completion import MAX_ANSWER_BYTES, Completion
from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.tool_names import ToolNames
from kgents_shared.contracts.worker import ModelChoice
from tests.external.one_answer import one_answer

ANSWER = (
    b'data: {"choices": [{"delta": {"content": "It is "}}]}\n\ndata: {"choices": [{"delta": {"content": "late."}, '
    b'"finish_reason": "stop"}]}\n\ndata: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}\n\n'
    b"data: [DONE]\n\n"
)
CALL = (
    b'data: {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "add", "arguments": '
    b'"{\\"a\\": 1}"}}]}, "finish_reason": "tool_calls"}]}\n\n'
)


@tool
def add(a: int) -> int:
    """Add one."""
    return a + 1


@asynccontextmanager
async def chat_model(answer: bytes, asked: list[dict[str, Any]]) -> AsyncGenerator[DoorChatModel]:
    async with one_answer(answer, asked) as url, aiohttp.ClientSession() as session:
        choice = ModelChoice(provider="openai", model="m")
        yield DoorChatModel(door=RunDoor(session, url, str(uuid4()), 1), choice=choice, names=ToolNames(["add"]))


async def test_it_is_a_langchain_model_that_can_be_invoked_and_streamed():
    asked: list[dict[str, Any]] = []
    async with chat_model(ANSWER, asked) as model:
        message = await model.ainvoke([HumanMessage("What time is it?")], stop=["."])
        pieces = [chunk.content async for chunk in model.astream("And now?")]
    assert message.content == "It is late."
    assert message.usage_metadata == {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}
    assert "".join(cast("list[str]", pieces)) == "It is late."
    assert asked[0]["stop"] == ["."]


async def test_langchains_tools_can_be_bound():
    asked: list[dict[str, Any]] = []
    async with chat_model(CALL, asked) as model:
        message = await model.bind_tools([add], tool_choice="auto").ainvoke("Add!")
    assert isinstance(message, AIMessage)
    assert message.tool_calls == [{"name": "add", "args": {"a": 1}, "id": "c", "type": "tool_call"}]
    assert asked[0]["tools"][0]["function"]["name"] == "add"
    assert asked[0]["tool_choice"] == "auto"


async def test_the_synchronous_side_is_not_offered():
    async with chat_model(ANSWER, []) as model:
        with pytest.raises(NotImplementedError):
            model.invoke("x")


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_an_answer_is_the_same_however_its_bytes_are_cut(size: int):
    completion = Completion("p")
    text = "".join(completion.feed(ANSWER[start : start + size]) for start in range(0, len(ANSWER), size))
    assert text + completion.close() == "It is late."
    assert completion.usage == {"prompt_tokens": 4, "completion_tokens": 2}


def test_an_end_without_a_line_break_is_read():
    completion = Completion("p")
    assert completion.feed(b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}') == ""
    assert completion.close() == "x"


@pytest.mark.parametrize(
    "document",
    [
        7, [], {"choices": 7}, {"choices": [7]}, {"choices": [{"delta": 7}]}, {"choices": [{"delta": {"content": 7}}]},
        {"choices": [{"delta": {"tool_calls": [7]}}]}, {"choices": [{"delta": {"tool_calls": 7}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": 7}}]}}]},
    ],
)  # fmt: skip
def test_what_is_not_this_wire_is_garbage_and_names_the_provider(document: Any):
    completion = Completion("openai")
    with pytest.raises(RunFailed, match="openai") as caught:
        completion.feed(b"data: " + orjson.dumps(document) + b"\n\ndata: {}\n\n")
    assert caught.value.code == "provider_garbage"


def test_a_lone_surrogate_is_garbage():
    completion = Completion("openai")
    completion.feed(b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n')
    with pytest.raises(RunFailed):
        completion.close()


def test_an_answer_is_bounded():
    completion = Completion("openai")
    with pytest.raises(RunFailed, match="more than an answer may hold"):
        completion.feed(b"x" * (MAX_ANSWER_BYTES + 1))


def test_tools_with_the_same_safe_name_are_told_apart():
    names = ToolNames(["a.b", "a_b", "a-b", "ü.x", "x" * 80, "x" * 90])
    wires = [names.to_wire(name) for name in ("a.b", "a_b", "a-b", "ü.x", "x" * 80, "x" * 90)]
    assert len(set(wires)) == 6
    assert wires[:3] == ["a_b", "a_b_2", "a-b"]
    assert all(len(wire) <= 64 for wire in wires)
    assert [names.from_wire(wire) for wire in wires] == ["a.b", "a_b", "a-b", "ü.x", "x" * 80, "x" * 90]
    assert names.to_wire("gone.tool") == "gone_tool"
    assert names.from_wire("never_offered") == "never_offered"


def test_a_stream_that_ends_without_a_word_is_no_answer() -> None:
    completion = Completion("openai")
    assert completion.feed(b"data: [DONE]\n\n") == ""
    with pytest.raises(RunFailed) as failed:
        completion.close()
    assert failed.value.code == "provider_garbage"
