"""Conversations, messages and runs as their owner reads them."""

from uuid import uuid4

import pytest

from kgents_shared.testing.model_server import ModelServer, StatusFault
from tests.external.running_runtime import Runtime


async def test_conversations_are_listed_newest_first_in_pages(runtime: Runtime):
    await runtime.add_agent()
    made = [(await runtime.say(f"m{number}"))["conversation_id"] for number in range(5)]
    listed: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await runtime.ask("GET", "/api/v1/conversations", params=params)).json()
        listed += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == made[::-1]


async def test_an_agents_conversations_are_its_own(runtime: Runtime):
    await runtime.add_agent()
    await runtime.add_agent("second")
    mine = await runtime.say("Hello")
    await runtime.say("Hello", agent="second")
    page = (await runtime.ask("GET", "/api/v1/agents/helper/conversations")).json()
    assert [row["id"] for row in page["items"]] == [mine["conversation_id"]]
    one = (await runtime.ask("GET", f"/api/v1/conversations/{mine['conversation_id']}")).json()
    assert one == page["items"][0]
    assert one["agent"] == "helper"


async def test_messages_come_in_pages_oldest_first(runtime: Runtime):
    await runtime.add_agent()
    first = await runtime.say("one")
    await runtime.say("two", first["conversation_id"])
    path = f"/api/v1/conversations/{first['conversation_id']}/messages"
    page = (await runtime.ask("GET", path, params={"limit": "3"})).json()
    rest = (await runtime.ask("GET", path, params={"limit": "3", "cursor": page["next_cursor"]})).json()
    rows = page["items"] + rest["items"]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    assert [row["role"] for row in rows] == ["user", "assistant"] * 2
    assert rows[0]["run_id"] == first["run_id"]
    assert rest["next_cursor"] is None


async def test_a_failed_run_is_no_part_of_the_conversation(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(StatusFault(401, "no"))
    failed = (await runtime.send("lost")).json()
    path = f"/api/v1/conversations/{failed['conversation_id']}/messages"
    assert (await runtime.ask("GET", path)).json() == {"items": [], "next_cursor": None}
    run = await runtime.run(failed["run_id"])
    assert (run["status"], run["error"]["code"]) == ("failed", "provider_refused")
    assert run["ended_at"] >= run["started_at"]


async def test_a_run_is_read_with_its_answer(runtime: Runtime):
    await runtime.add_agent()
    answer = await runtime.say("Hello")
    run = await runtime.run(answer["run_id"])
    assert set(run) == {
        "run_id", "conversation_id", "agent", "version", "status", "text", "output", "usage", "error", "approvals",
        "failed_tries", "created_at", "started_at", "ended_at",
    }  # fmt: skip
    assert {name: run[name] for name in answer} == answer
    assert (run["agent"], run["version"], run["error"]) == ("helper", 1, None)


@pytest.mark.parametrize("path", ["runs", "conversations"])
async def test_what_is_not_there_is_not_found(runtime: Runtime, path: str):
    assert (await runtime.ask("GET", f"/api/v1/{path}/{uuid4()}")).status_code == 404
    assert (await runtime.ask("GET", f"/api/v1/{path}/nonsense")).status_code == 422


@pytest.mark.parametrize("cursor", ["nonsense", "WyJ4Il0", "W10", "WyItMSJd", "WyI5OTk5OTk5OTk5OTkiXQ"])
async def test_a_cursor_that_is_not_ours_is_refused(runtime: Runtime, cursor: str):
    await runtime.add_agent()
    mine = await runtime.say("Hello")
    path = f"/api/v1/conversations/{mine['conversation_id']}/messages"
    assert (await runtime.ask("GET", path, params={"cursor": cursor})).status_code == 422
