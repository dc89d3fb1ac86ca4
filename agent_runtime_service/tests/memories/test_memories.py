"""What an agent keeps: stored once a key, found by its words, bounded, and nobody else's."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.external.running_runtime import Runtime


async def keep(runtime: Runtime, agent_id: Any, text: str, *, key: str | None = None, **changes: Any) -> httpx.Response:
    body = {"owner_id": runtime.owner, "agent_id": str(agent_id), "key": key or uuid4().hex, "text": text}
    headers = runtime.issuer.service("tools", "runtime")
    return await runtime.http.post("/internal/memories", json=body | changes, headers=headers)


async def found(runtime: Runtime, agent_id: Any, query: str, **changes: Any) -> list[str]:
    body = {"owner_id": runtime.owner, "agent_id": str(agent_id), "query": query} | changes
    headers = runtime.issuer.service("tools", "runtime")
    answer = await runtime.http.post("/internal/memories/search", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [row["text"] for row in answer.json()["memories"]]


async def test_what_is_kept_is_found_by_any_of_its_words_the_best_first(runtime: Runtime) -> None:
    agent = uuid4()
    for text in ("Ann likes green tea", "Bob likes coffee", "The green door is Ann's"):
        assert (await keep(runtime, agent, text)).status_code == 201
    assert await found(runtime, agent, "green tea Ann") == ["Ann likes green tea", "The green door is Ann's"]
    assert await found(runtime, agent, "LIKES", limit=1) == ["Bob likes coffee"]
    assert await found(runtime, agent, "nothing") == []
    assert await found(runtime, agent, " & | ! ") == [
        "The green door is Ann's", "Bob likes coffee", "Ann likes green tea",
    ]  # fmt: skip


async def test_the_same_key_keeps_one_text(runtime: Runtime) -> None:
    agent = uuid4()
    first = await keep(runtime, agent, "once", key="k")
    again = await keep(runtime, agent, "once", key="k")
    assert first.json() == again.json()
    assert await found(runtime, agent, "once") == ["once"]


async def test_agents_and_owners_do_not_find_each_others(runtime: Runtime) -> None:
    agent = uuid4()
    await keep(runtime, agent, "mine alone")
    assert await found(runtime, uuid4(), "mine") == []
    assert await found(runtime, agent, "mine", owner_id="someone-else") == []


async def test_an_agent_keeps_no_more_than_it_may(start_runtime: Any) -> None:
    async with start_runtime(max_memories_of_agent=2) as runtime:
        agent = uuid4()
        assert [(await keep(runtime, agent, text)).status_code for text in ("a", "b")] == [201, 201]
        refused = await keep(runtime, agent, "c")
        assert (refused.status_code, refused.json()["code"]) == (409, "memory_full")


@pytest.mark.parametrize("text", ["", "x" * 8001, "\x00"])
async def test_a_text_that_can_not_be_kept_is_refused(runtime: Runtime, text: str) -> None:
    assert (await keep(runtime, uuid4(), text)).status_code == 422


async def test_only_the_tool_registry_stores_and_searches(runtime: Runtime) -> None:
    body = {"owner_id": runtime.owner, "agent_id": str(uuid4()), "query": "x"}
    for headers in (runtime.issuer.service("nl", "runtime"), runtime.issuer.person(runtime.owner)):
        refused = await runtime.http.post("/internal/memories/search", json=body, headers=headers)
        assert refused.status_code in {401, 403, 404}


async def test_an_owner_reads_what_their_agent_keeps_and_has_it_forget(runtime: Runtime) -> None:
    agent = (await runtime.add_agent()).agent_id
    for text in ("first", "second"):
        await keep(runtime, agent, text)
    path = f"/api/v1/agents/{agent}/memory"
    page = (await runtime.ask("GET", path, params={"limit": "1"})).json()
    assert [row["text"] for row in page["items"]] == ["second"]
    rest = await runtime.ask("GET", path, params={"cursor": page["next_cursor"]})
    assert [row["text"] for row in rest.json()["items"]] == ["first"]
    gone = f"{path}/{page['items'][0]['id']}"
    assert (await runtime.ask("DELETE", gone, owner="someone-else")).status_code == 404
    assert (await runtime.ask("DELETE", gone)).status_code == 204
    assert (await runtime.ask("DELETE", gone)).json()["code"] == "memory_not_found"
    assert await found(runtime, agent, "") == ["first"]
