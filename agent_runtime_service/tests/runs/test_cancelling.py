"""Runs that are ended before their time, whatever they are at."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall, server_error
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Gate, RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*"]}}


async def cancel(runtime: Runtime, run_id: str, **more: Any) -> httpx.Response:
    return await runtime.ask("POST", f"/api/v1/runs/{run_id}/cancel", **more)


async def call_states(database_url: str, run_id: str) -> list[str]:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT state FROM runtime.tool_calls WHERE run_id = %s", (run_id,))
        return [row[0] for row in await cursor.fetchall()]


async def settled(database_url: str, run_id: str) -> bool:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT stopping FROM runtime.runs WHERE id = %s", (run_id,))
        return await cursor.fetchone() == (False,)


async def test_a_run_is_cancelled_while_the_model_speaks_and_the_next_one_goes_on(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent(llm={"model": "gpt-5-mini"})
    first = await runtime.say("one")
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="never heard")

    model.script(held)
    waiting = asyncio.create_task(runtime.send("two", first["conversation_id"]))
    await gate.wait_reached()
    [run_id] = [str(run_id) for run_id in runtime.front.app.state.run_watch.runs.ids()]
    watching = asyncio.create_task(runtime.watch(run_id))
    queued = await runtime.begin("three", first["conversation_id"])
    never = await runtime.begin("four", first["conversation_id"])
    assert (await cancel(runtime, never["run_id"])).json()["status"] == "cancelled"
    told = await cancel(runtime, run_id)
    assert told.status_code == 200, told.text
    run = told.json()
    assert (run["status"], run["error"]["code"], run["ended_at"] is not None) == ("cancelled", "cancelled", True)
    refused = await waiting
    assert (refused.status_code, refused.json()["code"], refused.json()["run_status"]) == (
        409, "cancelled", "cancelled",
    )  # fmt: skip
    assert [name for name, _, _ in await watching][-1] == "cancelled"
    await gate.wait_left()  # the call of the model was broken off
    assert (await runtime.ended(queued["run_id"]))["text"] == "You said: three [4 messages seen]"
    assert (await runtime.run(never["run_id"]))["status"] == "cancelled"
    assert [text for role, text in await runtime.transcript(first["conversation_id"]) if role == "user"] == [
        "one",
        "three",
    ]
    assert worker.is_alive()
    spent = (await runtime.run(run_id))["usage"]  # what it may have thought unseen, too
    assert (spent["prompt_tokens"] > 0, spent["completion_tokens"] > 0, spent["estimated"]) == (True, True, True)
    assert (await cancel(runtime, run_id)).json() == run | {"usage": (await runtime.run(run_id))["usage"]}
    ended = await cancel(runtime, first["run_id"])
    assert (ended.status_code, ended.json()["code"]) == (409, "run_ended")
    for stranger in (await cancel(runtime, run_id, owner="somebody-else"), await cancel(runtime, str(uuid4()))):
        assert (stranger.status_code, stranger.json()["code"]) == (404, "run_not_found")


async def test_a_call_of_a_tool_is_told_to_stop_and_its_outcome_is_kept(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings, database_url: str
):
    await runtime.add_agent(**TOOLS)
    gate = Gate()

    async def held(_: Any) -> ToolCallResult:
        await gate.hold()
        return ToolCallResult(content="too late")

    siblings.invoke = held
    model.script(Reply(tool_calls=(ToolCall("time_now"),)))
    begun = await runtime.begin("Hello", key="one")
    await gate.wait_reached()
    await cancel(runtime, begun["run_id"])
    await gate.wait_left()
    await eventually(lambda: settled(database_url, begun["run_id"]), describe="nothing of it goes on")
    assert await call_states(database_url, begun["run_id"]) == ["cancelled"]
    run = await runtime.run(begun["run_id"])
    assert (run["status"], run["usage"]["model_calls"]) == ("cancelled", 1)
    assert UUID(begun["run_id"]) in siblings.stopped_runs
    # Its key stays taken: the same request is the same run, which was cancelled.
    assert (await runtime.begin("Hello", key="one"))["run_id"] == begun["run_id"]
    assert (await runtime.say("Still there?", begun["conversation_id"]))["text"] == (
        "You said: Still there? [2 messages seen]"
    )
    # Whoever is erased leaves nothing under way either.
    gate = Gate()
    model.script(Reply(tool_calls=(ToolCall("time_now"),)))
    left = await runtime.begin("Hello again")
    await gate.wait_reached()
    headers = runtime.issuer.service("auth", "runtime")
    erased = await runtime.http.delete(f"/internal/people/{runtime.owner}/data", headers=headers)
    assert erased.json() == {"left": 0}
    await gate.wait_left()
    assert UUID(left["run_id"]) in siblings.stopped_runs
    assert (await runtime.ask("GET", f"/api/v1/runs/{left['run_id']}")).status_code == 404


async def test_a_run_that_waits_is_cancelled_with_its_approvals(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings, database_url: str
):
    siblings.gated.add("time.now")
    await runtime.add_agent(**TOOLS)
    model.script(*[Reply(tool_calls=(ToolCall("time_now"),))] * 2)
    begun = await runtime.begin("Hello")
    await eventually(lambda: len(siblings.pending) == 1, describe="it asks")

    async def waits() -> bool:
        return (await runtime.run(begun["run_id"]))["status"] == "waiting_approval"

    await eventually(waits, describe="it waits")
    slow = (await runtime.send("Hello")).json()
    gate = siblings.slow_to_stop[UUID(slow["run_id"])] = Gate()
    await cancel(runtime, slow["run_id"])
    await gate.wait_reached()
    # One that the registry is slow to end keeps no other from its end, and one that it garbles, none that is slow.
    siblings.garbled.add(UUID(begun["run_id"]))
    assert (await cancel(runtime, begun["run_id"])).json()["approvals"] == []
    await eventually(lambda: settled(database_url, begun["run_id"]), describe="nothing of it goes on")
    assert not await settled(database_url, slow["run_id"])
    assert siblings.stopped_runs.count(UUID(slow["run_id"])) == 1
    gate.open()
    assert UUID(begun["run_id"]) in siblings.cancelled_runs
    assert await call_states(database_url, begun["run_id"]) == ["cancelled"]
    siblings.pending[0].status = "approved"
    assert (await runtime.say("And now?", begun["conversation_id"]))["status"] == "completed"
    assert not siblings.effects


async def test_a_run_between_two_tries_is_cancelled(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(*[server_error()] * 3)
    begun = await runtime.begin_and_fail_once("Hello")
    assert (await cancel(runtime, begun["run_id"])).json()["status"] == "cancelled"
    assert (await runtime.say("And now?", begun["conversation_id"]))["status"] == "completed"


async def test_a_run_without_the_scope_is_not_cancelled(runtime: Runtime):
    answer = await runtime.http.post(
        f"/api/v1/runs/{uuid4()}/cancel",
        headers=runtime.issuer.person(runtime.owner, scopes=("runs:read", "agents:invoke")),
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
