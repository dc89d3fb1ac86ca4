from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
TOML = {"content-type": "application/toml"}


async def test_an_agent_is_made_from_json_and_found_by_id_and_by_name(caller: httpx.AsyncClient) -> None:
    answer = await caller.post("/api/v1/agents", json={"name": "my-agent", "system_prompt": "You help."})
    assert answer.status_code == 201
    agent = answer.json()
    assert answer.headers["location"] == f"/api/v1/agents/{agent['id']}"
    assert (agent["status"], agent["version"], agent["generation"]) == ("draft", None, 0)
    bounds = {name: value for name, value in agent["draft"]["limits"].items() if value is not None}
    assert bounds == {"memory_mb": 256, "max_steps": 16, "timeout_s": 120, "cpu": 1.0, "processes": 64}
    assert (await caller.get("/api/v1/agents/my-agent")).json() == agent
    assert (await caller.get(answer.headers["location"])).json() == agent


async def test_toml_and_json_of_the_same_agent_give_the_same_draft(caller: httpx.AsyncClient) -> None:
    text = """
        name = "from-toml"
        system_prompt = 'You help.'
        llm_provider = "openai"
        [tools]
        allow = ["time.*"]
    """
    from_toml = await caller.post("/api/v1/agents", content=text, headers=TOML)
    assert from_toml.status_code == 201
    body = {
        "name": "from-json",
        "system_prompt": "You help.",
        "llm": {"provider": "openai"},
        "tools": {"allow": ["time.*"]},
    }
    from_json = await caller.post("/api/v1/agents", json=body)
    assert {**from_toml.json()["draft"], "name": ""} == {**from_json.json()["draft"], "name": ""}


async def test_a_taken_name_is_a_conflict_until_its_agent_is_deleted(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("taken")
    body = {"name": "taken", "system_prompt": "Another."}
    second = await caller.post("/api/v1/agents", json=body)
    assert (second.status_code, second.json()["code"]) == (409, "name_taken")
    assert (await stranger.post("/api/v1/agents", json=body)).status_code == 201
    assert (await caller.delete("/api/v1/agents/taken")).status_code == 204
    assert (await caller.post("/api/v1/agents", json=body)).status_code == 201


async def test_a_put_replaces_the_draft_and_leaves_what_is_published(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    made = await make_agent("edited", publish=True, description="first")
    answer = await caller.put("/api/v1/agents/edited", content='name = "edited"\nsystem_prompt = "New."', headers=TOML)
    assert answer.status_code == 200
    agent = answer.json()
    assert (agent["draft"]["system_prompt"], agent["draft"]["description"]) == ("New.", "")
    assert (agent["version"], agent["generation"]) == (1, made["generation"])
    assert agent["updated_at"] > made["updated_at"]
    version = (await caller.get("/api/v1/agents/edited/versions/1")).json()
    assert version["spec"]["description"] == "first"


async def test_a_put_may_not_rename(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("fixed")
    answer = await caller.put("/api/v1/agents/fixed", json={"name": "moved", "system_prompt": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "name_is_fixed")
    (fault,) = answer.json()["errors"]
    assert fault["loc"] == ["name"]
    assert 'keep "fixed"' in fault["hint"]


async def test_a_deleted_agent_is_gone_from_every_route(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    made = await make_agent("going", publish=True)
    gone = await caller.delete(f"/api/v1/agents/{made['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    for path in ("", "/versions", "/versions/1"):
        assert (await caller.get(f"/api/v1/agents/{made['id']}{path}")).status_code == 404
    assert (await caller.delete("/api/v1/agents/going")).status_code == 404
    assert (await caller.get("/api/v1/agents")).json()["items"] == []


@pytest.mark.parametrize("reference", ["nobody", "Not A Name", "%F0%9F%98%80", "x" * 300, "00000000-0000-7000"])
async def test_whatever_stands_for_an_unknown_agent_is_the_same_404(caller: httpx.AsyncClient, reference: str) -> None:
    answer = await caller.get(f"/api/v1/agents/{httpx.URL(path='/' + reference).raw_path.decode()[1:]}")
    assert (answer.status_code, answer.json()["code"]) == (404, "agent_not_found")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["a-1", "a-2", "b-1", "c-1"]),
        ("-name", ["c-1", "b-1", "a-2", "a-1"]),
        ("created_at", ["c-1", "a-2", "b-1", "a-1"]),
        ("-created_at", ["a-1", "b-1", "a-2", "c-1"]),
    ],
)
async def test_pages_join_up_in_every_order(
    caller: httpx.AsyncClient, make_agent: MakeAgent, sort: str, expected: list[str]
) -> None:
    for name in ("c-1", "a-2", "b-1", "a-1"):
        await make_agent(name)
    seen: list[str] = []
    cursor: str | None = None
    for _ in expected:
        query = {"sort": sort, "limit": "1", **({"cursor": cursor} if cursor else {})}
        page = (await caller.get("/api/v1/agents", params=query)).json()
        seen += [agent["name"] for agent in page["items"]]
        cursor = page["next_cursor"]
    assert seen == expected
    assert cursor is None


async def test_a_list_is_filtered_by_the_beginning_of_the_name_and_by_status(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("shop-one")
    await make_agent("shop-two", publish=True)
    await make_agent("bank", publish=True)
    for query, expected in (
        ({"name": "shop"}, ["shop-one", "shop-two"]),
        ({"status": "published"}, ["shop-two", "bank"]),
        ({"name": "shop", "status": "published"}, ["shop-two"]),
        ({"status": "stopped"}, []),
    ):
        items = (await caller.get("/api/v1/agents", params=query)).json()["items"]
        assert [agent["name"] for agent in items] == expected


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"cursor": "!"}, {"cursor": "WyJhIl0"}, {"cursor": "e30"},
        {"sort": "owner_id"}, {"status": "gone"}, {"name": "%"}, {"name": "a\x00"},
        {"cursor": "WyJcdTAwMDAiLCAiMDE5YTAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwIl0", "sort": "name"},
        {"cursor": "WyIyMDI2LTAxLTAxIiwgIjAxOWEwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMCJd"},
        {"cursor": "W" * 1000},
    ],
)  # fmt: skip
async def test_a_bad_query_of_a_list_is_told(caller: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await caller.get("/api/v1/agents", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"]
