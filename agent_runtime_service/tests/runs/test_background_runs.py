"""Runs that nobody waits for: begun, listed, watched, and tried again."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from agent_runtime_service.conversations.removal import remove_conversations
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall, rate_limited, server_error
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Gate, RuntimeSiblings

TOOLS: dict[str, Any] = {"tools": {"allow": ["time.*"]}}
SOON: dict[str, Any] = {"retry": {"attempts": 3, "backoff_s": 1}}


async def test_a_run_goes_on_by_itself_and_is_found_where_its_answer_says(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    gate = Gate()

    async def held(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="Done.")

    model.script(held)
    begun = await runtime.ask("POST", "/api/v1/agents/helper/runs", json={"text": "Hello"})
    told = begun.json()
    assert (begun.status_code, begun.headers["Location"]) == (202, f"/api/v1/runs/{told['run_id']}")
    assert set(told) == {"run_id", "conversation_id", "status"}
    await gate.wait_reached()
    second = await runtime.begin("And then?", told["conversation_id"])
    assert (told["status"], second["status"]) == ("running", "queued")
    gate.open()
    assert (await runtime.ended(told["run_id"]))["text"] == "Done."
    last = await runtime.ended(second["run_id"])
    assert (last["text"], last["failed_tries"]) == ("You said: And then? [4 messages seen]", [])


async def test_keys_are_shared_with_messages_and_name_one_run(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    racers = await asyncio.gather(*(runtime.begin("Hello", key="one") for _ in range(20)))
    assert len({racer["run_id"] for racer in racers}) == 1
    answer = await runtime.say("Hello", headers={"Idempotency-Key": "one"})
    assert answer["run_id"] == racers[0]["run_id"]
    for other in ({"text": "Other"}, {"text": "Hello", "deadline_s": 60}, {"text": "Hello", **SOON}):
        refused = await runtime.ask(
            "POST", "/api/v1/agents/helper/runs", json=other, headers={"Idempotency-Key": "one"}
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert len(model.completions) == 1


async def test_what_a_run_may_not_be_begun_with_is_refused(runtime: Runtime):
    terms: list[dict[str, Any]] = [
        {"text": " "},
        {"deadline_s": 0},
        {"deadline_s": 604_801},
        {"retry": {"attempts": 6}},
        {"retry": {"attempts": 2, "backoff_s": 0.5}},
        {"retry": {}},
        {"status": "completed"},
    ]
    for given in terms:
        refused = await runtime.ask("POST", "/api/v1/agents/helper/runs", json={"text": "Hello", **given})
        assert refused.status_code == 422, (given, refused.text)


async def test_runs_are_listed_newest_first_in_pages_and_by_what_they_are(runtime: Runtime, model: ModelServer):
    worker = await runtime.add_agent()
    first = await runtime.say("one")
    model.script(server_error(), server_error(), server_error())
    failed = (await runtime.send("two")).json()
    third = await runtime.say("three", first["conversation_id"])
    newest_first = [third["run_id"], failed["run_id"], first["run_id"]]

    async def listed(**params: str) -> list[str]:
        answer = await runtime.ask("GET", "/api/v1/runs", params=params)
        assert answer.status_code == 200, answer.text
        return [run["run_id"] for run in answer.json()["items"]]

    assert await listed() == newest_first
    assert await listed(status="failed") == [failed["run_id"]]
    assert await listed(conversation_id=first["conversation_id"]) == [third["run_id"], first["run_id"]]
    assert await listed(agent="helper") == await listed(agent=str(worker.agent_id)) == newest_first
    assert await listed(agent=str(uuid4())) == []
    assert await listed(since=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    assert await listed(since=(datetime.now(UTC) - timedelta(hours=1)).isoformat()) == newest_first
    page = (await runtime.ask("GET", "/api/v1/runs", params={"limit": "2"})).json()
    rest = await listed(limit="2", cursor=page["next_cursor"])
    assert [run["run_id"] for run in page["items"]] + rest == newest_first
    assert page["items"][1]["error"]["code"] == "provider_error"
    others = await runtime.ask("GET", "/api/v1/runs", owner="somebody-else")
    assert others.json() == {"items": [], "next_cursor": None}
    for params in ({"agent": "nobody"}, {"status": "done"}, {"since": "yesterday"}, {"cursor": "x"}):
        assert (await runtime.ask("GET", "/api/v1/runs", params=params)).status_code in (404, 422), params


async def test_a_run_whose_provider_was_away_is_tried_again_and_tells_of_it(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(**TOOLS)
    away = [server_error()] * 3
    model.script(Reply(tool_calls=(ToolCall("time_now"),)), *away, *[rate_limited(1)] * 3)
    begun = await runtime.begin("Hello", **SOON)
    events = await runtime.watch(begun["run_id"])
    names = [name for name, _, _ in events if name not in ("delta", "reset")]
    assert names == ["run", "step", "step", "retrying", "retrying", "completed"]
    told = [data for name, data, _ in events if name == "retrying"]
    assert [(one["number"], one["code"]) for one in told] == [(1, "provider_error"), (2, "provider_rate_limited")]
    run = await runtime.ended(begun["run_id"])
    assert [one["number"] for one in run["failed_tries"]] == [1, 2]
    # It went on behind its last step: the tool was called once.
    assert run["text"] == "The tool answered: time.now {} [4 messages seen]"
    assert run["usage"]["model_calls"] == 4
    trace = (await runtime.ask("GET", f"/api/v1/runs/{begun['run_id']}/trace")).json()
    tries = [(span["name"], span["error"]["code"]) for span in trace["spans"] if span["kind"] == "incident"]
    assert tries == [("try 1 failed", "provider_error"), ("try 2 failed", "provider_rate_limited")]
    # Who comes later is told the same.
    again = [name for name, _, _ in await runtime.watch(begun["run_id"])]
    assert sorted(again) == sorted(names)


@pytest.mark.parametrize(
    ("faults", "terms", "tries"),
    [
        ([server_error()] * 9, {"retry": {"attempts": 2, "backoff_s": 1}}, 2),
        ([server_error(400)], SOON, 1),
        ([server_error()] * 3, {"retry": {"attempts": 5, "backoff_s": 60}, "deadline_s": 30}, 1),
        ([server_error()] * 3, {}, 1),
    ],
    ids=["at_last", "not_for_what_was_asked", "not_beyond_the_deadline", "not_unasked"],
)
async def test_a_run_fails_at_last(
    runtime: Runtime, model: ModelServer, faults: list[Any], terms: dict[str, Any], tries: int
):
    await runtime.add_agent()
    model.script(*faults)
    run = await runtime.ended((await runtime.begin("Hello", **terms))["run_id"])
    assert (run["status"], run["error"]["code"], len(run["failed_tries"])) == ("failed", "provider_error", tries - 1)


async def test_a_run_is_not_tried_again_after_an_effect_that_nobody_knows(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    await runtime.add_agent(**TOOLS)

    async def lost(_: Any) -> ToolCallResult:
        raise RuntimeError("the registry broke within the call")

    siblings.invoke = lost
    model.script(Reply(tool_calls=(ToolCall("time_now"),)), *[server_error()] * 3)
    run = await runtime.ended((await runtime.begin("Hello", **SOON))["run_id"])
    assert (run["status"], run["failed_tries"], len(siblings.invocations)) == ("failed", [], 1)


async def test_a_deadline_of_ones_own_stands_for_the_agents(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(limits={"timeout_s": 1})
    model.script(Reply(text="late", before_s=1.5))
    long = await runtime.begin("Hello", deadline_s=60)
    assert (await runtime.ended(long["run_id"]))["text"] == "late"
    model.script(Reply(text="late", before_s=5))
    short = await runtime.begin("Hello")
    assert (await runtime.ended(short["run_id"]))["error"]["code"] in ("deadline_exceeded", "provider_timeout")


async def look_and_wait(runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings) -> tuple[dict[str, Any], Gate]:
    """A run that has said something and waits in a call of a tool, until the gate opens."""
    await runtime.add_agent(**TOOLS)
    gate = Gate()

    async def held(_: Any) -> ToolCallResult:
        await gate.hold()
        return ToolCallResult(content="noon")

    siblings.invoke = held
    model.script(Reply(text="Let me look.", tool_calls=(ToolCall("time_now"),)))
    begun = await runtime.begin("Hello")
    await gate.wait_reached()
    return begun, gate


async def test_a_watcher_goes_on_behind_what_it_heard_last(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    begun, gate = await look_and_wait(runtime, model, siblings)
    watching = [asyncio.create_task(runtime.watch(begun["run_id"])) for _ in range(3)]
    await eventually(lambda: runtime.front.app.state.run_watch._watchers.total() == 3, describe="three watch")
    # A stream ends with its token, and says so.
    left = await runtime.watch(begun["run_id"], exp=int(time.time()) + 3)
    assert [name for name, _, _ in left if name != "delta"] == ["run", "step", "token_expired"]
    assert (left[-1][1]["code"], left[-1][1]["last_event_id"]) == ("invalid_token", f"{begun['conversation_id']}:2")
    gate.open()
    heard = await asyncio.gather(*watching)
    assert heard[0] == heard[1] == heard[2]
    steps = [(data["role"], event_id) for name, data, event_id in heard[0] if name == "step"]
    assert steps == [("assistant", f"{begun['conversation_id']}:2"), ("tool", f"{begun['conversation_id']}:3")]
    [text] = [data["text"] for name, data, _ in heard[0] if name == "completed"]
    assert "".join(data["text"] for name, data, _ in heard[0] if name == "delta") == text
    rest = await runtime.watch(begun["run_id"], steps[0][1])
    assert [(name, event_id) for name, _, event_id in rest] == [
        ("run", None),
        ("step", steps[1][1]),
        ("completed", f"{begun['conversation_id']}:4"),
    ]
    path, ids = f"/api/v1/runs/{begun['run_id']}/events", [f"{begun['conversation_id']}:4", f"{uuid4()}:1", "x"]
    answers = [await runtime.ask("GET", path, headers={"Last-Event-ID": one}) for one in ids]
    assert [answer.status_code for answer in answers] == [204, 422, 422]
    assert (await runtime.ask("GET", path, owner="somebody-else")).status_code == 404
    assert not runtime.front.app.state.run_watch._watchers


async def test_pieces_of_a_step_that_was_read_where_it_is_stored_are_taken_back(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    begun, gate = await look_and_wait(runtime, model, siblings)
    feed = runtime.front.app.state.active_runs.get(UUID(begun["run_id"])).feed
    feed.say("Let me look.")  # as it is between the step's commit and the word of it
    watching = asyncio.create_task(runtime.watch(begun["run_id"]))
    await eventually(lambda: runtime.front.app.state.run_watch._watchers.total() == 1, describe="one watches")
    await eventually(lambda: any(not listener._events for listener in feed._listeners), describe="it has heard that")
    feed.stored(2, b"{}")
    gate.open()
    heard = [(name, data.get("text")) for name, data, _ in await watching]
    assert heard[:4] == [("run", None), ("step", "Let me look."), ("delta", "Let me look."), ("reset", None)]
    assert heard[4][0] == "step"
    assert "".join(text or "" for name, text in heard[4:] if name == "delta") == heard[-1][1]


async def test_who_watches_late_hears_all_of_the_answer_and_a_failed_run_says_why(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    gate = Gate()

    async def falls_silent(_: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="one two three four", between_s=0.02)

    model.script(falls_silent)
    begun = await runtime.begin("Hello")
    await gate.wait_reached()
    gate.open()
    feed = runtime.front.app.state.run_watch.runs.all()[0].feed
    await eventually(lambda: bool(feed._said), describe="it has begun to speak")
    late = await runtime.watch(begun["run_id"])
    assert "".join(data["text"] for name, data, _ in late if name == "delta") == "one two three four"
    model.script(server_error(400))
    failed = await runtime.begin("Hello")
    [last] = [data for name, data, _ in await runtime.watch(failed["run_id"]) if name == "failed"]
    assert (last["code"], last["run_status"], last["status"]) == ("provider_error", "failed", 502)


async def test_the_stream_of_a_run_that_waits_goes_on_after_the_decision(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings, database_url: str
):
    siblings.gated.add("time.now")
    await runtime.add_agent(**TOOLS)
    model.script(Reply(tool_calls=(ToolCall("time_now"),)))
    begun = await runtime.begin("Hello")
    watching = asyncio.create_task(runtime.watch(begun["run_id"]))
    await eventually(lambda: len(siblings.pending) == 1, describe="it waits")
    await eventually(lambda: bool(runtime.front.app.state.run_watch.elsewhere._watched), describe="the stream waits")
    siblings.pending[0].status = "approved"
    events = [(name, data) for name, data, _ in await watching if name != "delta"]
    # The end brings what was told in pieces whole: nothing of it is void.
    assert [name for name, _ in events] == ["run", "step", "waiting_approval", "step", "completed"]
    assert [approval["tool"] for approval in events[2][1]["approvals"]] == ["time.now"]

    # One that is deleted meanwhile ends its stream.
    model.script(Reply(tool_calls=(ToolCall("time_now"),)))
    left = (await runtime.send("Hello")).json()
    watching = asyncio.create_task(runtime.watch(left["run_id"]))
    await eventually(lambda: bool(runtime.front.app.state.run_watch.elsewhere._watched), describe="the stream waits")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await remove_conversations(connection, [UUID(left["conversation_id"])])
    assert [name for name, _, _ in await watching] == ["run", "step", "waiting_approval"]


async def test_a_run_that_waits_for_its_next_try_survives_without_anybody(
    runtime: Runtime, model: ModelServer, database_url: str
):
    await runtime.add_agent()
    model.script(*[server_error()] * 3)
    begun = await runtime.begin_and_fail_once("Hello")
    await eventually(lambda: not runtime.front.app.state.run_watch.runs.ids(), describe="nobody drives it")
    next_message = await runtime.begin("And then?", begun["conversation_id"])
    assert next_message["status"] == "queued"  # it keeps its place
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        due = "UPDATE runtime.runs SET lease_expires_at = now() WHERE id = %s"
        await connection.execute(due, (begun["run_id"],))
    assert (await runtime.ended(begun["run_id"]))["text"] == "You said: Hello [2 messages seen]"
    assert (await runtime.ended(next_message["run_id"]))["text"] == "You said: And then? [4 messages seen]"
