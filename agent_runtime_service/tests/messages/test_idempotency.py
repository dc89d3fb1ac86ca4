"""One effect per Idempotency-Key."""

import asyncio
from typing import Any

import pytest

from kgents_shared.testing.model_server import ModelServer, Reply, StatusFault, ToolCall
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings


def key(value: str | bytes) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": value}}


async def test_the_same_message_under_the_same_key_is_the_same_run(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    first = await runtime.say("Hello", **key("k"))
    assert await runtime.say("Hello", **key("k")) == first
    assert len(model.completions) == 1


async def test_racers_under_one_key_get_one_run(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.answer_with(lambda _: Reply(text="once", before_s=0.1))
    answers = await asyncio.gather(*(runtime.say("Hello", **key("k")) for _ in range(20)))
    assert len({answer["run_id"] for answer in answers}) == 1
    assert {answer["text"] for answer in answers} == {"once"}
    assert len(model.completions) == 1


async def test_racers_in_one_conversation_get_one_run(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    first = await runtime.say("Hello")
    answers = await asyncio.gather(*(runtime.say("Again", first["conversation_id"], **key("k")) for _ in range(10)))
    assert len({answer["run_id"] for answer in answers}) == 1
    assert len(await runtime.transcript(first["conversation_id"])) == 4
    assert len(model.completions) == 2


async def test_another_body_under_the_same_key_is_refused(runtime: Runtime):
    await runtime.add_agent()
    first = await runtime.say("Hello", **key("k"))
    for text, conversation in (("Another", None), ("Hello", first["conversation_id"])):
        answer = await runtime.send(text, conversation, **key("k"))
        assert answer.status_code == 422
        assert answer.json()["code"] == "idempotency_key_reused"


async def test_keys_of_two_agents_or_owners_have_nothing_to_do_with_each_other(runtime: Runtime):
    await runtime.add_agent()
    await runtime.add_agent("second")
    first = await runtime.say("Hello", **key("k"))
    second = await runtime.say("Hello", agent="second", **key("k"))
    assert first["run_id"] != second["run_id"]


async def test_a_failed_message_may_be_sent_again_under_its_key(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(StatusFault(401, "no"))
    assert (await runtime.send("Hello", **key("k"))).status_code == 502
    assert (await runtime.say("Hello", **key("k")))["text"] == "You said: Hello [2 messages seen]"


async def test_a_failed_run_that_called_a_tool_keeps_its_key(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(tools={"allow": ["time.*"]})
    model.script(Reply(tool_calls=(ToolCall("time_now"),)), StatusFault(401, "no"))
    failed = await runtime.send("Hello", **key("k"))
    again = await runtime.send("Hello", **key("k"))
    assert failed.status_code == again.status_code == 502
    assert failed.json()["run_id"] == again.json()["run_id"]
    assert again.json()["code"] == "provider_refused"
    assert len(siblings.invocations) == 1


@pytest.mark.parametrize("value", ["", "x" * 256, b"\xe9"])
async def test_keys_that_cannot_be_used_are_refused(runtime: Runtime, value: str | bytes):
    answer = await runtime.send("Hello", **key(value))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "bad_key"


async def test_a_replayed_message_streams_its_end(runtime: Runtime):
    await runtime.add_agent()
    first = await runtime.say("Hello", **key("k"))
    headers = {"Idempotency-Key": "k", "Accept": "text/event-stream"}
    answer = await runtime.send("Hello", headers=headers)
    assert "event: run\n" in answer.text
    assert "event: completed\n" in answer.text
    assert first["run_id"] in answer.text
