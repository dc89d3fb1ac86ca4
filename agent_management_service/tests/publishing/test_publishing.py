from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]


async def agent_after(caller: httpx.AsyncClient, path: str, body: Any = None) -> dict[str, Any]:
    answer = await caller.post(f"/api/v1/agents/{path}", json=body if body is not None else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def changed(caller: httpx.AsyncClient, name: str, prompt: str) -> None:
    answer = await caller.put(f"/api/v1/agents/{name}", json={"name": name, "system_prompt": prompt})
    assert answer.status_code == 200


async def test_publishing_freezes_the_draft_as_a_version(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    made = await make_agent("frozen")
    agent = await agent_after(caller, "frozen/publish")
    assert (agent["status"], agent["version"], agent["generation"]) == ("published", 1, 1)
    assert agent["published_at"] >= made["created_at"]
    version = (await caller.get("/api/v1/agents/frozen/versions/1")).json()
    assert version["spec"] == made["draft"]
    assert version["content_hash"].startswith("sha256:")


async def test_publishing_takes_no_body_an_empty_object_and_nothing_else(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("bodies")
    assert (await caller.post("/api/v1/agents/bodies/publish")).status_code == 200
    for body in ({"version": 1}, {"owner_id": "x"}, [], 1):
        assert (await caller.post("/api/v1/agents/bodies/publish", json=body)).status_code == 422


async def test_an_unchanged_draft_makes_no_version_but_starts_again(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("same", publish=True)
    again = await agent_after(caller, "same/publish")
    assert (again["version"], again["generation"]) == (1, 2)
    await changed(caller, "same", "Other.")
    await changed(caller, "same", "You help.")
    back = await agent_after(caller, "same/publish")
    assert (back["version"], back["generation"]) == (1, 3)


async def test_a_changed_draft_becomes_the_next_version(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("grows", publish=True)
    for number in (2, 3):
        await changed(caller, "grows", f"Prompt {number}.")
        assert (await agent_after(caller, "grows/publish"))["version"] == number
    pages: list[int] = []
    cursor: str | None = None
    for _ in range(2):
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await caller.get("/api/v1/agents/grows/versions", params=query)).json()
        pages += [version["number"] for version in page["items"]]
        cursor = page["next_cursor"]
    assert (pages, cursor) == ([3, 2, 1], None)


async def test_a_stopped_agent_stays_stopped_until_published(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("stops", publish=True)
    stopped = await agent_after(caller, "stops/stop")
    assert (stopped["status"], stopped["version"], stopped["generation"]) == ("stopped", 1, 2)
    assert (await agent_after(caller, "stops/stop"))["generation"] == 2
    started = await agent_after(caller, "stops/publish")
    assert (started["status"], started["version"], started["generation"]) == ("published", 1, 3)


async def test_a_mere_draft_can_not_be_stopped(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("mere")
    answer = await caller.post("/api/v1/agents/mere/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_published")


async def test_a_rollback_runs_an_older_version_and_leaves_the_draft(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("back", publish=True)
    await changed(caller, "back", "Second.")
    await agent_after(caller, "back/publish")
    rolled = await agent_after(caller, "back/rollback", {"version": 1})
    assert (rolled["version"], rolled["generation"], rolled["draft"]["system_prompt"]) == (1, 3, "Second.")
    again = await agent_after(caller, "back/publish")
    assert (again["version"], again["generation"]) == (2, 4)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": 2}, 404), ({"version": 0}, 422), ({"version": -1}, 422), ({"version": 2**31}, 422),
        ({"version": "1"}, 422), ({"version": 1.0}, 422), ({"version": True}, 422), ({}, 422), ({"version": None}, 422),
        ({"version": 1, "owner_id": "x"}, 422), ([], 422),
    ],
)  # fmt: skip
async def test_a_rollback_to_what_is_no_version_is_refused(
    caller: httpx.AsyncClient, make_agent: MakeAgent, body: Any, status: int
) -> None:
    await make_agent("rolls", publish=True)
    assert (await caller.post("/api/v1/agents/rolls/rollback", json=body)).status_code == status
    assert (await caller.get("/api/v1/agents/rolls")).json()["generation"] == 1


@pytest.mark.parametrize(("number", "status"), [("2", 404), ("0", 422), ("99999999999", 422), ("x", 422)])
async def test_a_version_that_is_not_there(
    caller: httpx.AsyncClient, make_agent: MakeAgent, number: str, status: int
) -> None:
    await make_agent("asked", publish=True)
    assert (await caller.get(f"/api/v1/agents/asked/versions/{number}")).status_code == status


async def test_create_and_publish_in_one_call(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    agent = await make_agent("at-once", publish=True)
    assert (agent["status"], agent["version"], agent["generation"]) == ("published", 1, 1)
    assert (await caller.get("/api/v1/agents/at-once")).json() == agent
