"""Tools in a run: kept before they go out, kept with their result before the worker sees it."""

from typing import Any

import psycopg
import pytest
from aiohttp import web

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelServer, Reply, ToolCall
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*"], "deny": ["time.convert"]}}


async def test_a_run_calls_a_tool_and_all_of_it_stands_in_the_conversation(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent(**TOOLS)
    answer = await runtime.say('call time.now {"zone": "UTC"}')
    result = "time.now {'zone': 'UTC'}"
    assert answer["text"] == f"The tool answered: {result} [4 messages seen]"
    assert answer["usage"]["model_calls"] == 2
    rows = await runtime.transcript(answer["conversation_id"])
    assert rows == [
        ("user", 'call time.now {"zone": "UTC"}'),
        ("assistant", ""),
        ("tool", result),
        ("assistant", answer["text"]),
    ]
    assert model.completions[0].tool_names == ["time_now"]
    [call] = siblings.invocations
    assert (call.owner_id, call.agent_id, str(call.run_id)) == (runtime.owner, worker.agent_id, answer["run_id"])
    assert (call.name, call.arguments, call.allow, call.deny) == (
        "time.now", {"zone": "UTC"}, ["time.*"], ["time.convert"],
    )  # fmt: skip


async def test_a_later_message_sees_the_calls_that_were_made(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(**TOOLS)
    first = await runtime.say("call time.now")
    await runtime.say("and now?", first["conversation_id"])
    roles = [message["role"] for message in model.completions[-1].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_several_calls_of_one_message_are_made_in_order(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    calls = tuple(ToolCall("time_now", f'{{"n": {number}}}', id="same-id") for number in range(3))
    model.script(Reply(text="Let me look.", tool_calls=calls))
    answer = await runtime.say("Hello")
    assert [call.arguments for call in siblings.invocations] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len({call.tool_call_id for call in siblings.invocations}) == 3
    assert len({call.idempotency_key for call in siblings.invocations}) == 3
    assert "{'n': 0} | time.now {'n': 1} | time.now {'n': 2}" in answer["text"]


async def test_a_tool_that_is_not_offered_is_not_called(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    model.script(Reply(tool_calls=(ToolCall("shell_exec"),)))
    answer = await runtime.say("Hello")
    assert "There is no tool named shell_exec here." in answer["text"]
    assert siblings.invocations == []


async def test_a_tool_that_reports_an_error_is_told_to_the_model(runtime: Runtime, siblings: RuntimeSiblings):
    async def fail(_: InvokeToolRequest) -> ToolCallResult:
        return ToolCallResult(content="no such zone", is_error=True)

    siblings.invoke = fail
    await runtime.add_agent(**TOOLS)
    assert "no such zone" in (await runtime.say("call time.now"))["text"]


@pytest.mark.parametrize(
    ("status", "text", "state"),
    [
        (500, '{"code": "internal_error", "detail": "Something failed."}', "unknown"),
        (502, "<html>", "unknown"),
        (422, '{"code": "not_storable", "detail": "It nests too deep."}', "completed"),
    ],
)
async def test_a_registry_that_breaks_within_a_call_leaves_it_unknown(
    runtime: Runtime, siblings: RuntimeSiblings, database_url: str, status: int, text: str, state: str
):
    async def breaking(_: InvokeToolRequest) -> ToolCallResult:
        error = web.HTTPException(text=text, content_type="application/problem+json")
        error.set_status(status)
        raise error

    siblings.invoke = breaking
    await runtime.add_agent(**TOOLS)
    answer = await runtime.say("call time.now")
    assert ("Whether the call took effect is not known" in answer["text"]) == (state == "unknown")
    assert len(siblings.invocations) == 1
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        query = "SELECT state FROM runtime.tool_calls WHERE run_id = %s"
        assert await (await connection.execute(query, (answer["run_id"],))).fetchall() == [(state,)]


@pytest.mark.parametrize(
    ("content", "stored"), [("nul \x00 in it", "nul \x00 in it"), ("half \ud800 of one", "half ? of one"), ("", "")]
)
async def test_whatever_a_tool_says_can_be_stored_and_read(
    runtime: Runtime, siblings: RuntimeSiblings, content: str, stored: str
):
    async def tell(_: InvokeToolRequest) -> ToolCallResult:
        return ToolCallResult.model_construct(content=content, is_error=False)

    siblings.invoke = tell
    await runtime.add_agent(**TOOLS)
    answer = await runtime.say("call time.now")
    assert (await runtime.transcript(answer["conversation_id"]))[2] == ("tool", stored)


async def test_a_model_that_only_calls_tools_ends_with_its_steps(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(**TOOLS, limits={"max_steps": 3})
    model.answer_with(lambda _: Reply(tool_calls=(ToolCall("time_now"),)))
    answer = await runtime.send("Hello")
    assert answer.json()["code"] == "max_steps_reached"
    assert len(model.completions) == 3


async def test_a_tool_whose_answer_never_comes_is_unknown(
    runtime: Runtime, siblings: RuntimeSiblings, database_url: str
):
    await runtime.add_agent(**TOOLS, limits={"timeout_s": 2})
    await runtime.say("Hello")  # its tools are known from here on
    await siblings.__aexit__()
    answer = await runtime.send("call time.now")
    assert answer.status_code in {200, 504}
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT state FROM runtime.tool_calls JOIN runtime.runs ON runs.id = run_id WHERE owner_id = %s",
            (runtime.owner,),
        )
        assert await cursor.fetchall() in ([("unknown",)], [("dispatched",)])


async def test_tools_that_cannot_be_asked_for_fail_the_run_and_say_so(runtime: Runtime, siblings: RuntimeSiblings):
    await runtime.add_agent(**TOOLS, limits={"timeout_s": 2})
    await siblings.__aexit__()
    answer = await runtime.send("Hello")
    assert answer.status_code == 503, "they were waited for as long as there was time"
    assert (await runtime.run(answer.json()["run_id"]))["status"] == "failed"


async def test_steps_stream_with_their_place(runtime: Runtime):
    await runtime.add_agent(**TOOLS)
    events = await runtime.stream('call time.now {"zone": "UTC"}')
    steps = [(data["role"], event_id) for name, data, event_id in events if name == "step"]
    conversation = events[0][1]["conversation_id"]
    assert steps == [("assistant", f"{conversation}:2"), ("tool", f"{conversation}:3")]
    assert events[-1][2] == f"{conversation}:4"
