"""Rules and capabilities by the API, and what calls make of them."""

import asyncio
from typing import Any

import psycopg
import pytest

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.contracts.tools import TOOLS_CHANGED, ToolsChanged
from kgents_shared.events import subject_of
from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer

RULES = "/api/v1/tools/permissions"
NAMES = "/api/v1/tools/capabilities"


async def add(registry: RunningRegistry, status: int = 201, query: str = "", **body: Any) -> JsonObject:
    answer = await registry.ask("POST", f"{RULES}{query}", body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def said(registry: RunningRegistry, **changes: Any) -> JsonObject:
    return await registry.invoke("scripted.count", {"n": 1}, agent_name="helper", **changes)


async def test_a_rule_holds_from_the_next_call_on_in_every_process(
    registry: RunningRegistry, scripted: ScriptedServer, database_url: str
) -> None:
    await registry.register_http(scripted)
    async with running_registry(database_url) as second:
        second.owner = registry.owner
        assert not (await said(second))["is_error"]
        rule = await add(registry, effect="deny", pattern="scripted.*")
        denied = await said(second)
        assert denied["is_error"]
        assert f"No agent of this owner may call scripted.count: a rule denies {rule['pattern']}" in denied["content"]
        assert (await registry.ask("DELETE", f"{RULES}/{rule['id']}")).status_code == 204
        assert not (await said(second))["is_error"]


async def test_a_model_is_shown_only_what_its_agent_may_call(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    await add(registry, effect="deny", pattern="scripted.count", level="agent", agent="helper")

    async def shown(agent: str) -> list[str]:
        body = {"owner_id": registry.owner, "agent_name": agent, "allow": ["*.count", "*.echo"], "deny": []}
        answer = await registry.http.post("/internal/tools/resolve", json=body, headers=registry.as_runtime())
        return [tool["name"] for tool in answer.json()["tools"]]

    assert await shown("helper") == ["scripted.echo"]
    assert await shown("other") == ["scripted.count", "scripted.echo"]


async def test_an_allowlist_closes_its_level_and_says_so(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    first = await add(registry, effect="allow", pattern="scripted.echo", note="only this")
    assert first["warnings"] == ["It is the first allow of its level: from now on nothing else passes there."]
    told = (await said(registry))["content"]
    assert "not on its owner's allowlist" in told
    assert "of an organisation with --organisation SLUG." in told
    assert not (await add(registry, effect="allow", pattern="scripted.count"))["warnings"]
    assert not (await said(registry))["is_error"]
    await add(registry, effect="deny", pattern="scripted.c*")
    again = await add(registry, 200, effect="allow", pattern="scripted.count")
    assert again["warnings"] == ["It has no effect: the rule that denies scripted.c* wins."]


async def test_a_capability_is_what_its_owner_says_at_the_moment_of_the_call(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    warned = await add(registry, effect="deny", pattern="capability:counting")
    assert "There is no capability counting yet" in warned["warnings"][0]
    assert (await said(registry))["is_error"]
    body = {"patterns": ["scripted.echo"], "description": "what counts"}
    assert (await registry.ask("PUT", f"{NAMES}/counting", body)).status_code == 201
    assert not (await said(registry))["is_error"]
    changed = await registry.ask("PUT", f"{NAMES}/counting", {"patterns": ["*.count"]})
    assert changed.status_code == 200
    assert (await said(registry))["is_error"]
    assert (await registry.ask("DELETE", f"{NAMES}/counting")).json()["code"] == "capability_in_use"
    assert (await registry.ask("GET", f"{NAMES}/counting")).json()["patterns"] == ["*.count"]
    (rule,) = (await registry.ask("GET", RULES)).json()["items"]
    await registry.ask("DELETE", f"{RULES}/{rule['id']}")
    assert (await registry.ask("DELETE", f"{NAMES}/counting")).status_code == 204
    assert (await registry.ask("GET", f"{NAMES}/counting")).json()["code"] == "capability_not_found"
    assert not (await said(registry, allow=["*.count"]))["is_error"]
    assert "nothing in its [tools] allow" in (await said(registry, allow=["capability:counting"]))["content"]


async def test_only_an_administrator_makes_rules_for_the_platform(
    registry: RunningRegistry, scripted: ScriptedServer, database_url: str
) -> None:
    await registry.register_http(scripted)
    body = {"effect": "deny", "pattern": "scripted.count", "level": "system"}
    developer = registry.issuer.person(registry.owner, ["tools:read", "tools:write"])
    assert (await registry.http.post(RULES, json=body, headers=developer)).json()["code"] == "scope_missing"
    named = await registry.http.put(f"{NAMES}/x?level=system", json={"patterns": ["*"]}, headers=developer)
    assert named.json()["code"] == "scope_missing"
    admin = registry.issuer.person("admin", ["tools:read", "tools:write", "platform:govern"])
    made = await registry.http.post(RULES, json=body, headers=admin)
    assert made.status_code == 201, made.text
    try:
        assert "switched off on this platform" in (await said(registry))["content"]
        (seen,) = (await registry.http.get(RULES, headers=developer)).json()["items"]
        assert (seen["level"], seen["owner_id"]) == ("system", None)
        assert (await registry.http.delete(f"{RULES}/{seen['id']}", headers=developer)).status_code == 404
        known = await registry.http.get(
            f"/internal/tools/known?owner_id={registry.owner}", headers=registry.issuer.service("management", "tools")
        )
        assert {tool["state"] for tool in known.json()["tools"] if tool["name"] == "scripted.count"} == {"denied"}
    finally:
        assert (await registry.http.delete(f"{RULES}/{made.json()['id']}", headers=admin)).status_code == 204


async def test_an_owner_cannot_say_what_the_platforms_rules_mean_by_a_capability(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    admin = registry.issuer.person("admin", ["tools:read", "tools:write", "platform:govern"])
    name = f"counting-{registry.owner[-12:]}"
    named = await registry.http.put(f"{NAMES}/{name}?level=system", json={"patterns": ["*.count"]}, headers=admin)
    assert named.status_code == 201, named.text
    rule = {"effect": "deny", "pattern": f"capability:{name}", "level": "system"}
    made = (await registry.http.post(RULES, json=rule, headers=admin)).json()
    try:
        assert "switched off on this platform" in (await said(registry))["content"]
        assert (await registry.ask("PUT", f"{NAMES}/{name}", {"patterns": ["nothing.*"]})).status_code == 201
        assert "switched off on this platform" in (await said(registry))["content"]
        assert not (await registry.invoke("scripted.echo", {"text": "x"}))["is_error"]
    finally:
        assert (await registry.http.delete(f"{RULES}/{made['id']}", headers=admin)).status_code == 204
        assert (await registry.http.delete(f"{NAMES}/{name}?level=system", headers=admin)).status_code == 204


async def test_rules_and_capabilities_of_others_are_nothing(registry: RunningRegistry) -> None:
    rule = await add(registry, effect="deny", pattern="x.y")
    await registry.ask("PUT", f"{NAMES}/mine", {"patterns": ["*"]})
    assert (await registry.ask("DELETE", f"{RULES}/{rule['id']}", owner="stranger")).status_code == 404
    assert (await registry.ask("GET", RULES, owner="stranger")).json()["items"] == []
    assert (await registry.ask("GET", f"{NAMES}/mine", owner="stranger")).status_code == 404
    assert (await registry.ask("GET", NAMES, owner="stranger")).json()["items"] == []
    assert (await registry.ask("DELETE", f"{NAMES}/mine", owner="stranger")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"effect": "deny", "pattern": "x y"},
        {"effect": "deny", "pattern": "capability:*"},
        {"effect": "deny", "pattern": "*", "level": "agent"},
        {"effect": "deny", "pattern": "*", "agent": "helper"},
        {"effect": "permit", "pattern": "*"},
        {"effect": "deny", "pattern": "*", "owner_id": "x"},
    ],
)
async def test_what_is_no_rule_is_refused(registry: RunningRegistry, body: JsonObject) -> None:
    assert (await registry.ask("POST", RULES, body)).status_code == 422


async def test_denials_are_counted_by_day_agent_tool_and_rule(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    await add(registry, effect="deny", pattern="scripted.count")
    for _ in range(3):
        await said(registry)
    await said(registry, allow=[], name="scripted.echo")
    counts = (await registry.ask("GET", "/api/v1/tools/denials")).json()["items"]
    assert [(row["agent"], row["tool"], row["denied_by"]["level"], row["calls"]) for row in counts] == [
        ("helper", "scripted.count", "owner", 3),
        ("helper", "scripted.echo", "definition", 1),
    ]
    assert counts[0]["denied_by"]["pattern"] == "scripted.count"
    one = (await registry.ask("GET", "/api/v1/tools/denials?tool=scripted.echo&agent=helper")).json()["items"]
    assert [row["calls"] for row in one] == [1]
    assert (await registry.ask("GET", "/api/v1/tools/denials?since=2100-01-01T00:00:00Z")).json()["items"] == []
    assert (await registry.ask("GET", "/api/v1/tools/denials", owner="stranger")).json()["items"] == []


async def test_every_change_of_tools_and_permission_is_told_in_its_own_transaction(
    registry: RunningRegistry, scripted: ScriptedServer, database_url: str
) -> None:
    async def told() -> list[str | None]:
        query = "SELECT subject, body::text FROM tools.outbox WHERE body->>'subject' = %s ORDER BY created_at"
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            rows = await (await connection.execute(query, (registry.owner,))).fetchall()
        assert {subject for subject, _ in rows} == {subject_of("tools", TOOLS_CHANGED)}
        events = [CloudEvent.model_validate_json(body) for _, body in rows]
        assert {event.type for event in events} == {TOOLS_CHANGED}
        return [ToolsChanged.model_validate(event.data).owner_id for event in events]

    await registry.register_http(scripted)
    assert await told() == [registry.owner]
    rule = await add(registry, effect="deny", pattern="scripted.count")
    await registry.ask("PUT", f"{NAMES}/x", {"patterns": ["*"]})
    await registry.ask("DELETE", f"{RULES}/{rule['id']}")
    assert await told() == [registry.owner] * 4
    await said(registry)
    assert await told() == [registry.owner] * 4


async def test_racers_for_one_rule_make_one(registry: RunningRegistry) -> None:
    body = {"effect": "deny", "pattern": "x.*"}
    answers = await asyncio.gather(*(registry.ask("POST", RULES, body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
