"""Values under keys: what they are, what they were, whose they are, and how many there may be."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kgents_shared.contracts.agent_spec import AgentSpec
from tests.external.running_runtime import Runtime, Worker


async def known_agent(runtime: Runtime, name: str = "keeper", **memory: Any) -> str:
    """An agent that the front knows; nothing of it has to run. The path of its memory."""
    spec = AgentSpec.model_validate({"name": name, "system_prompt": "Keep.", "memory": memory})
    worker = Worker(runtime.folder, runtime.front.door_path, runtime.owner, spec)
    await runtime.register(worker)
    return f"/api/v1/agents/{worker.agent_id}/memory"


async def told(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def as_tool(runtime: Runtime, path: str, body: dict[str, Any], status: int = 200) -> Any:
    headers = runtime.issuer.service("tools", "runtime")
    return await told(await runtime.http.post(f"/internal/memories{path}", json=body, headers=headers), status)


async def test_a_key_has_its_value_and_every_one_that_it_had(runtime: Runtime) -> None:
    path = await known_agent(runtime)
    first = await told(await runtime.ask("PUT", f"{path}/tea", json={"value": "green", "tags": ["drinks"]}))
    again = await told(await runtime.ask("PUT", f"{path}/tea", json={"value": "green", "tags": ["drinks"]}))
    assert (first, first["version"]) == (again, 1)
    second = await told(await runtime.ask("PUT", f"{path}/tea", json={"value": {"kind": "black", "cups": 2}}))
    assert (second["id"], second["version"]) == (first["id"], 2)
    assert (second["value"], second["text"]) == ({"kind": "black", "cups": 2}, '{"kind":"black","cups":2}')
    assert second["created_at"] == first["created_at"] < second["updated_at"]
    assert await told(await runtime.ask("GET", f"{path}/tea")) == second
    assert await told(await runtime.ask("GET", f"{path}/{first['id']}")) == second
    then = await told(await runtime.ask("GET", f"{path}/tea", params={"as_of": first["updated_at"]}))
    assert (then["value"], then["ended_at"]) == ("green", second["updated_at"])
    before = {"as_of": "2020-01-01T00:00:00Z"}
    assert (await runtime.ask("GET", f"{path}/tea", params=before)).json()["code"] == "memory_not_found"
    history = (await told(await runtime.ask("GET", f"{path}/tea/history")))["versions"]
    assert [one["value"] for one in history] == [second["value"], "green"]
    assert (await runtime.ask("GET", f"{path}/tea", params={"as_of": "2026-01-01T00:00:00"})).status_code == 422


async def test_what_an_agent_deletes_stays_in_its_history_and_what_its_owner_does_is_gone(runtime: Runtime) -> None:
    path = await known_agent(runtime)
    agent_id = path.split("/")[-2]
    place = {"owner_id": runtime.owner, "agent_id": agent_id, "key": "tea"}
    kept = await as_tool(runtime, "/put", {**place, "value": 7})
    ended = (await as_tool(runtime, "/delete", place))["memory"]
    assert (ended["value"], ended["ended_at"] is None) == (7, False)
    assert (await as_tool(runtime, "/get", place))["memory"] is None
    assert (await as_tool(runtime, "/delete", place))["memory"] is None
    was = (await as_tool(runtime, "/get", {**place, "as_of": kept["updated_at"]}))["memory"]
    assert (was["value"], was["version"]) == (7, 1)
    listed = await told(await runtime.ask("GET", path, params={"as_of": kept["updated_at"]}))
    assert [one["id"] for one in listed["items"]] == [kept["id"]]
    assert (await told(await runtime.ask("GET", path)))["items"] == []
    await told(await runtime.ask("DELETE", f"{path}/tea"), 204)
    assert (await as_tool(runtime, "/history", place))["versions"] == []
    await told(await runtime.ask("DELETE", f"{path}/tea"), 404)


async def test_a_list_has_what_fits(runtime: Runtime) -> None:
    path = await known_agent(runtime)
    for key, tags in (("orders.1", ["open", "urgent"]), ("orders.2", ["open"]), ("notes", [])):
        await told(await runtime.ask("PUT", f"{path}/{key}", json={"value": key, "tags": tags}))
    middle = (await told(await runtime.ask("GET", f"{path}/orders.2")))["updated_at"]

    async def keys(**asked: Any) -> list[str]:
        return [one["key"] for one in (await told(await runtime.ask("GET", path, params=asked)))["items"]]

    assert await keys() == ["notes", "orders.2", "orders.1"]
    assert await keys(prefix="orders.") == ["orders.2", "orders.1"]
    assert await keys(tag=["open", "urgent"]) == ["orders.1"]
    assert await keys(since=middle) == ["notes", "orders.2"]
    assert await keys(until=middle) == ["orders.1"]
    assert await keys(as_of=middle) == ["orders.2", "orders.1"]
    assert await keys(scope="user") == []


async def test_scopes_share_what_they_say_and_never_beyond_their_owner(runtime: Runtime) -> None:
    agents, conversations = [str(uuid4()), str(uuid4())], [str(uuid4()), str(uuid4())]

    def place(scope: str, agent: int, user: str, conversation: int, **changes: Any) -> dict[str, Any]:
        return {
            "owner_id": runtime.owner, "agent_id": agents[agent], "principal": user, "scope": scope, "key": "k",
            "conversation_id": conversations[conversation],
        } | changes  # fmt: skip

    shared = {
        "agent": [(0, "ann", 0), (0, "bob", 1)],
        "user": [(0, "ann", 0), (1, "ann", 1)],
        "conversation": [(0, "ann", 0), (1, "bob", 0)],
        "organisation": [(0, "ann", 0), (1, "bob", 1)],
    }
    apart = {"agent": (1, "ann", 0), "user": (0, "bob", 0), "conversation": (0, "ann", 1)}
    for scope, (writer, reader) in shared.items():
        await as_tool(runtime, "/put", {**place(scope, *writer), "value": scope})
        assert (await as_tool(runtime, "/get", place(scope, *reader)))["memory"]["value"] == scope
        other_owner = place(scope, *writer, owner_id="another-owner")
        assert (await as_tool(runtime, "/get", other_owner))["memory"] is None
        assert (await as_tool(runtime, "/search", _search(other_owner)))["memories"] == []
        if scope in apart:
            assert (await as_tool(runtime, "/get", place(scope, *apart[scope])))["memory"] is None
    for scope, missing in (("user", {"principal": ""}), ("conversation", {"conversation_id": None})):
        refused = await as_tool(runtime, "/get", place(scope, 0, "ann", 0, **missing), 422)
        assert refused["code"] == "memory_scope_open"


def _search(place: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in place.items() if name != "key"} | {"query": ""}


async def test_other_tenants_have_no_way_to_what_is_kept(runtime: Runtime) -> None:
    path = await known_agent(runtime)
    kept = await told(await runtime.ask("PUT", f"{path}/tea", json={"value": "green"}))
    for method, where, body in (
        ("GET", "", None), ("GET", "/tea", None), ("GET", f"/{kept['id']}", None), ("GET", "/tea/history", None),
        ("PUT", "/tea", {"value": "mine"}), ("DELETE", "/tea", None), ("DELETE", f"/{kept['id']}", None),
        ("POST", "/search", {"query": "green"}),
    ):  # fmt: skip
        answer = await runtime.ask(method, f"{path}{where}", json=body, owner="someone-else")
        assert (answer.status_code, answer.json()["code"]) == (404, "agent_not_found"), (method, where)
    assert (await told(await runtime.ask("GET", f"{path}/tea")))["value"] == "green"


async def test_the_definition_says_which_memory_people_mean_too(runtime: Runtime) -> None:
    path = await known_agent(runtime, scope="user")
    kept = await told(await runtime.ask("PUT", f"{path}/tea", json={"value": "green"}))
    assert kept["scope"] == "user"
    other = await known_agent(runtime, "other", scope="user")
    assert (await told(await runtime.ask("GET", f"{other}/tea")))["id"] == kept["id"]
    missing = await runtime.ask("GET", f"{path}/tea", params={"scope": "conversation"})
    assert (missing.status_code, missing.json()["code"]) == (422, "memory_scope_open")


async def test_at_once_no_more_is_kept_than_may_be_and_every_value_is_in_the_history(
    start_runtime: Any,
) -> None:
    async with start_runtime(max_memories_of_agent=5) as runtime:
        path = await known_agent(runtime)
        answers = await asyncio.gather(*(
            runtime.ask("PUT", f"{path}/k{number}", json={"value": number}) for number in range(12)
        ))  # fmt: skip
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [409] * 7
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"memory_full"}
        key = next(answer.json()["key"] for answer in answers if answer.status_code == 200)
        await asyncio.gather(*(runtime.ask("PUT", f"{path}/{key}", json={"value": f"v{n}"}) for n in range(10)))
        history = (await told(await runtime.ask("GET", f"{path}/{key}/history")))["versions"]
        assert [one["version"] for one in history] == list(range(11, 0, -1))
        assert {one["value"] for one in history[:-1]} == {f"v{number}" for number in range(10)}
        times = [one["updated_at"] for one in history]
        assert times == sorted(times, reverse=True)
        await told(await runtime.ask("DELETE", f"{path}/{key}"), 204)
        assert (await runtime.ask("PUT", f"{path}/new", json={"value": 1})).status_code == 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tea", None), ("tea", ""), ("tea", "x" * 8001), ("tea", {"a": "\x00"}), ("tea", "\ud800"), ("text:1", 1),
        ("with space", 1), ("a" * 201, 1),
    ],
    ids=["none", "empty", "long", "nul", "surrogate", "stored-text", "space", "long-key"],
)  # fmt: skip
async def test_what_can_not_be_kept_is_refused(runtime: Runtime, key: str, value: Any) -> None:
    path = await known_agent(runtime)
    body, headers = json.dumps({"value": value}), {"Content-Type": "application/json"}
    answer = await runtime.ask("PUT", f"{path}/{key}", content=body, headers=headers)
    assert answer.status_code == 422
