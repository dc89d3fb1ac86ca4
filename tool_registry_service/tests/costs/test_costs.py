"""What calls cost is said by whom the tool belongs to, and recorded with each call that goes out."""

from tests.external.running_registry import JsonObject, RunningRegistry
from tests.external.scripted_mcp import ScriptedServer

COST = {"amount": "0.25", "currency": "EUR"}


async def costs(registry: RunningRegistry) -> list[JsonObject]:
    answer = await registry.ask("GET", "/api/v1/tools/costs?limit=1")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_the_cost_of_a_call_is_recorded_with_each_that_goes_out(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    await registry.invoke("scripted.echo", {"text": "free"})
    put = await registry.ask("PUT", "/api/v1/tools/scripted.echo/cost", COST)
    assert (put.status_code, put.json()["cost"]) == (200, COST)
    asked = {"owner_id": registry.owner, "allow": ["scripted.*"], "deny": []}
    found = await registry.http.post("/internal/tools/resolve", json=asked, headers=registry.as_runtime())
    assert found.json()["prices"] == {"scripted.echo": COST | {"amount": "0.250000"}}
    dear = await registry.invoke("scripted.echo", {"text": "dear"})
    assert dear["cost"] == COST | {"amount": "0.250000"}
    assert "cost" not in await registry.invoke("scripted.echo", {"text": 1})
    await scripted.kill()
    await registry.invoke("scripted.echo", {"text": "away"})
    rows = (await registry.ask("GET", "/api/v1/tools/invocations")).json()["items"]
    assert [(row["outcome"], row["cost"] and row["cost"]["amount"]) for row in reversed(rows)][:3] == [
        ("completed", None),
        ("completed", "0.250000"),
        ("invalid_arguments", None),
    ]
    assert rows[0]["cost"] is None
    dear = (await registry.ask("GET", "/api/v1/tools/invocations?least_cost=0.25")).json()["items"]
    assert [row["cost"]["currency"] for row in dear] == ["EUR"]


async def test_a_cost_is_said_changed_listed_and_forgotten(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    for amount in ("1", "2.5"):
        answer = await registry.ask("PUT", "/api/v1/tools/scripted.echo/cost", {"amount": amount})
        assert answer.status_code == 200
    (listed,) = await costs(registry)
    assert (listed["tool"], listed["cost"]) == ("scripted.echo", {"amount": "2.500000", "currency": "USD"})
    path = "/api/v1/tools/scripted.echo/cost"
    assert (await registry.ask("DELETE", path, owner="somebody-else")).json()["code"] == "cost_not_set"
    assert (await registry.ask("DELETE", path)).status_code == 204
    assert (await registry.ask("DELETE", path)).status_code == 404
    assert await costs(registry) == []


async def test_only_ones_own_tools_have_a_cost_and_it_is_an_amount(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    path = "/api/v1/tools/scripted.echo/cost"
    assert (await registry.ask("PUT", path, COST, owner="somebody-else")).json()["code"] == "tool_not_found"
    for wrong in ({"amount": "-1"}, {"amount": "1e40"}, {"amount": "0.0000001"}, COST | {"currency": "euro"}, {}):
        assert (await registry.ask("PUT", path, wrong)).status_code == 422
