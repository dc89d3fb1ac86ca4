"""A run repeated against another version or model: nothing is called, and both are told apart."""

import asyncio
from typing import Any, cast
from uuid import UUID, uuid4

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Gate, RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*"]}}


async def ended(runtime: Runtime, run_id: str) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        run = await runtime.run(run_id)
        return run if run["ended_at"] else None

    return cast("dict[str, Any]", await eventually(found, describe="the run ends"))


async def replayed(runtime: Runtime, run_id: str, **body: Any) -> dict[str, Any]:
    """The replay once it has ended."""
    answer = await runtime.ask("POST", f"/api/v1/runs/{run_id}/replay", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["replay_of"] == run_id
    return await ended(runtime, answer.json()["run_id"])


async def compared(runtime: Runtime, first: str, second: str) -> dict[str, Any]:
    answer = await runtime.ask("GET", f"/api/v1/runs/{first}/comparison", params={"with": second})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_replay_asks_another_model_the_same_in_the_same_place_and_calls_nothing(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    before = await runtime.say("My name is Ada.")
    old = await runtime.say('call time.now {"zone": "UTC"}', before["conversation_id"])
    await runtime.say("And now something else.", before["conversation_id"])
    calls = len(siblings.invocations)
    run = await replayed(runtime, old["run_id"], model="better-model")
    assert (run["status"], run["text"]) == ("completed", old["text"])
    assert run["conversation_id"] != old["conversation_id"]
    assert len(siblings.invocations) == calls
    asked = model.completions[-1]
    assert asked.body["model"] == "better-model"
    assert [message["role"] for message in asked.messages] == [
        "system", "user", "assistant", "user", "assistant", "tool",
    ]  # fmt: skip
    listed = (await runtime.ask("GET", "/api/v1/conversations")).json()["items"]
    assert {one["id"]: one["asked_by"] for one in listed} == {
        run["conversation_id"]: "replay",
        old["conversation_id"]: "person",
    }
    transcript = await runtime.transcript(run["conversation_id"])
    assert transcript[:2] == (await runtime.transcript(old["conversation_id"]))[:2]
    assert len(transcript) == 6

    async def told() -> dict[str, Any] | None:
        found = await compared(runtime, old["run_id"], run["run_id"])
        return found if found["second"]["model_calls"] == 2 else None

    found = cast("dict[str, Any]", await eventually(told, describe="the calls are written"))
    assert (found["same_steps"], found["same_answer"], found["answer_diff"]) == (True, True, [])
    assert [side["models"] for side in (found["first"], found["second"])] == [
        ["openai/fake-model"], ["openai/better-model"],
    ]  # fmt: skip
    assert found["difference"]["model_calls"] == found["difference"]["tool_calls"] == 0
    assert found["steps"][0]["second"]["calls"][0]["result"] == "time.now {'zone': 'UTC'}"


async def test_a_call_that_was_not_made_is_not_made_in_a_replay_either(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    old = await runtime.say('call time.now {"zone": "UTC"}')
    model.script(
        Reply(tool_calls=(ToolCall("time_now", '{"zone": "UTC"}'), ToolCall("time_now", '{"zone": "Mars"}'))),
        Reply(text="I know."),
    )
    run = await replayed(runtime, old["run_id"])
    assert len(siblings.invocations) == 1
    rows = await runtime.transcript(run["conversation_id"])
    made, unknown = [text for role, text in rows if role == "tool"]
    assert made == "time.now {'zone': 'UTC'}"
    assert unknown.startswith("time.now is not replayed: the run that is repeated made no such call")
    found = await compared(runtime, old["run_id"], run["run_id"])
    assert (found["same_steps"], found["same_answer"]) == (False, False)
    assert [step["change"] for step in found["steps"]] == ["changed", "same"]
    assert found["answer_diff"][-1] == "+I know."


async def test_a_replay_that_somebody_takes_over_calls_nothing_either(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent(**TOOLS)
    old = await runtime.say('call time.now {"zone": "UTC"}')
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held, Reply(tool_calls=(ToolCall("time_now", '{"zone": "Mars"}'),)), Reply(text="I know."))
    answer = await runtime.ask("POST", f"/api/v1/runs/{old['run_id']}/replay", json={"model": "better-model"})
    await gate.wait_reached()
    active = runtime.front.app.state.active_runs.get(UUID(answer.json()["run_id"]))
    assert active is not None
    active.replay = None  # as it is for a front that did not begin it
    worker.kill()
    await eventually(lambda: not worker.is_alive(), describe="the worker is gone")
    await worker.start(runtime.nursery)
    run = await ended(runtime, answer.json()["run_id"])
    gate.open()
    assert (run["status"], run["text"]) == ("completed", "I know.")
    assert len(siblings.invocations) == 1
    assert all(asked.body["model"] == "better-model" for asked in model.completions[2:])

    async def noted() -> list[str]:
        view = (await runtime.ask("GET", f"/api/v1/runs/{run['run_id']}/trace")).json()
        assert view["spans"][0]["run"]["replay_of"] == old["run_id"]
        return [span["error"]["code"] for span in view["spans"] if span["kind"] == "incident"]

    assert await eventually(noted, describe="it is noted that a worker was lost") == ["worker_lost"]


async def test_one_key_is_one_replay_and_what_cannot_be_repeated_says_so(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)
    old = await runtime.say("Hello")
    path = f"/api/v1/runs/{old['run_id']}/replay"
    key = {"Idempotency-Key": f"replay-{uuid4()}"}
    first = await runtime.ask("POST", path, json={}, headers=key)
    again = await runtime.ask("POST", path, json={}, headers=key)
    assert first.json()["run_id"] == again.json()["run_id"]
    other = await runtime.ask("POST", path, json={"model": "x"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await ended(runtime, first.json()["run_id"])
    refused = await runtime.ask("POST", path, json={"provider": "anthropic"})
    assert (refused.status_code, refused.json()["code"]) == (409, "provider_not_configured")
    # Which model an agent has is not for who may only ask it.
    caller = runtime.issuer.person(runtime.owner, ["agents:invoke", "runs:read"])
    refused = await runtime.http.post(path, json={"model": "dearer-model"}, headers=caller)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    foreign = await runtime.ask("POST", path, json={}, owner="somebody-else")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "run_not_found")
    strange = await runtime.ask("GET", f"/api/v1/runs/{old['run_id']}/comparison", params={"with": str(uuid4())})
    assert strange.status_code == 404

    gate = Gate()

    async def hold(_: InvokeToolRequest) -> ToolCallResult:
        await gate.hold()
        return ToolCallResult(content="late")

    siblings.invoke = hold
    task = asyncio.create_task(runtime.say("call time.now"))
    await gate.wait_reached()
    runs = (await runtime.ask("GET", "/api/v1/runs", params={"status": "running"})).json()["items"]
    early = await runtime.ask("POST", f"/api/v1/runs/{runs[0]['run_id']}/replay", json={})
    assert (early.status_code, early.json()["code"]) == (409, "run_not_ended")
    gate.open()
    await task
