"""Calls of tools that somebody makes without an agent."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer

ORGANISATION = f"org-{uuid.uuid4()}"


async def call(
    registry: RunningRegistry, tool: str, arguments: JsonObject, *, key: str | None = None, **claims: Any
) -> tuple[int, JsonObject]:
    subject = claims.pop("subject", registry.owner)
    headers = registry.issuer.person(subject, **claims) | ({} if key is None else {"Idempotency-Key": key})
    path = f"/api/v1/tools/{tool}/call"
    answer = await registry.http.post(path, json={"arguments": arguments}, headers=headers, timeout=60)
    return answer.status_code, answer.json()


async def without_effect(registry: RunningRegistry, scripted: ScriptedServer, *tools: str) -> None:
    server = await registry.register_http(scripted)
    for tool in tools:
        path = f"/api/v1/mcp-servers/{server['id']}/tools/{tool}"
        assert (await registry.ask("PATCH", path, {"side_effect": "none"})).status_code == 200


async def test_a_person_calls_a_tool_and_the_call_is_recorded_as_theirs(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(registry, scripted, "echo")
    status, answer = await call(registry, "scripted.echo", {"text": "hello"})
    assert (status, answer["content"], answer["is_error"], answer["outcome"]) == (200, "hello", False, "completed")
    record = (await registry.ask("GET", f"/api/v1/tools/invocations/{answer['invocation_id']}")).json()
    assert (record["principal"], record["agent_id"], record["tool"]) == (registry.owner, None, "scripted.echo")
    assert record["arguments"] == {"text": "hello"}


async def test_the_same_key_gives_the_same_answer_and_one_call(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(registry, scripted, "count")
    first = await call(registry, "scripted.count", {"n": 1}, key="mine")
    assert await call(registry, "scripted.count", {"n": 1}, key="mine") == first
    assert first[1]["idempotency_key"] == "mine"
    assert len(scripted.calls) == 1
    status, refused = await call(registry, "scripted.count", {"n": 2}, key="mine")
    assert (status, refused["code"]) == (422, "idempotency_key_reused")
    await call(registry, "scripted.count", {"n": 1})
    await call(registry, "scripted.count", {"n": 1})
    assert len(scripted.calls) == 3


async def test_members_of_an_organisation_have_keys_of_their_own(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(registry, scripted, "count")
    member = {"organisations": {"acme": registry.owner}, "subject": f"member-{uuid.uuid4()}"}
    own = await call(registry, "scripted.count", {}, key="mine")
    theirs = await call(registry, "acme~scripted.count", {}, key="mine", **member)
    assert (own[0], theirs[0]) == (200, 200)
    assert own[1]["invocation_id"] != theirs[1]["invocation_id"]
    assert len(scripted.calls) == 2


async def test_what_a_call_was_kept_from_is_told(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await without_effect(registry, scripted, "echo", "fail")
    status, answer = await call(registry, "scripted.echo", {"text": 1})
    assert (status, answer["outcome"], answer["is_error"]) == (200, "invalid_arguments", True)
    assert "text" in answer["content"]


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "[" * 101 + "]" * 101, "[" * 900 + "]" * 900])
async def test_arguments_that_no_row_can_hold_are_refused(registry: RunningRegistry, text: str) -> None:
    headers = registry.issuer.person(registry.owner) | {"content-type": "application/json"}
    body = f'{{"arguments": {{"zone": {text}}}}}'
    for key in ({}, {"Idempotency-Key": "mine"}):
        answer = await registry.http.post("/api/v1/tools/time/call", content=body, headers=headers | key)
        assert (answer.status_code, answer.json()["code"]) == (422, "not_storable")


async def test_the_scope_to_call_tools_is_none_to_ask_agents(registry: RunningRegistry) -> None:
    asked = {"agent": "expert", "message": "hello"}
    status, answer = await call(registry, "ask_agent", asked, scopes=["tools:invoke"])
    assert (status, answer["outcome"]) == (200, "tool_error")
    assert "send the agent a message yourself" in answer["content"]


async def test_one_person_has_so_many_calls_under_way_and_no_more(database_url: str, scripted: ScriptedServer) -> None:
    async with running_registry(database_url, calls_per_person=2, call_timeout_s=1) as registry:
        await without_effect(registry, scripted, "nap", "echo")
        naps = [asyncio.create_task(call(registry, "scripted.nap", {"seconds": 60})) for _ in range(3)]
        statuses = sorted([(await nap)[0] for nap in naps])
        assert statuses == [200, 200, 429]
        assert (await call(registry, "scripted.echo", {"text": "x"}))[0] == 200


async def test_a_tool_of_another_is_one_that_is_not_there(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await without_effect(registry, scripted, "echo")
    for tool in ("scripted.echo", "acme~scripted.echo", "nowhere.echo"):
        status, answer = await call(registry, tool, {"text": "x"}, subject=f"somebody-{uuid.uuid4()}")
        assert (status, answer["code"]) == (404, "tool_not_found")


async def test_the_scope_to_read_tools_calls_none(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await without_effect(registry, scripted, "echo")
    status, answer = await call(registry, "scripted.echo", {"text": "x"}, scopes=["tools:read", "tools:write"])
    assert (status, answer["code"]) == (403, "scope_missing")
    status, _ = await call(registry, "scripted.echo", {"text": "x"}, scopes=["tools:invoke"])
    assert status == 200
