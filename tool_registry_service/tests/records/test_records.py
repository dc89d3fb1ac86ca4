"""Which calls were made, by whom and for whom; and how long that is known."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg

from kgents_shared.db import Database
from tests.external.running_registry import JsonObject, RunningRegistry
from tests.external.scripted_mcp import ScriptedServer
from tool_registry_service.records.retention import Retention

RECORDS = "/api/v1/tools/invocations"
_INSERT = """
    INSERT INTO tools.invocations (id, owner_id, principal, agent_id, agent_name, run_id, tool_call_id,
        idempotency_key, tool, arguments, fingerprint, runner, outcome, cost, cost_currency, started_at)
    VALUES (%s, %s, %s, %s, %s, %s, 'call_1', %s, %s, '{}', 'f', gen_random_uuid(), %s, %s, 'USD', %s)
"""
AGENT, RUN = uuid.uuid4(), uuid.uuid4()


async def recorded(database_url: str, owner: str, **changes: Any) -> str:
    """Put the record of a call where the pipeline puts it, with an id that sorts by `age_days`."""
    row: JsonObject = {"tool": "mail.send", "outcome": "completed", "age_days": 0, "cost": None, "principal": owner}
    row |= {"agent_id": None, "agent_name": None, "run_id": None} | changes
    at = datetime.now(UTC) - timedelta(days=row["age_days"])
    call_id = str(uuid.UUID(f"{int(at.timestamp() * 1000):012x}7000{uuid.uuid4().hex[16:]}"))
    values = (
        call_id, owner, row["principal"], row["agent_id"], row["agent_name"], row["run_id"], uuid.uuid4().hex,
        row["tool"], row["outcome"], row["cost"], at,
    )  # fmt: skip
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(_INSERT, values)
    return call_id


async def ids(registry: RunningRegistry, **filters: Any) -> list[str]:
    answer = await registry.http.get(RECORDS, params=filters, headers=registry.issuer.person(registry.owner))
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


async def test_calls_are_found_by_what_is_known_of_them(registry: RunningRegistry, database_url: str) -> None:
    owner = registry.owner
    old = await recorded(database_url, owner, age_days=9, outcome="denied", principal="machine-1")
    of_agent = await recorded(database_url, owner, age_days=5, agent_id=AGENT, agent_name="desk", run_id=RUN)
    dear = await recorded(database_url, owner, age_days=1, tool="mail_x.send", cost="0.25")
    await recorded(database_url, "somebody-else", agent_name="desk")
    assert await ids(registry) == [dear, of_agent, old]
    assert await ids(registry, agent="desk") == [of_agent]
    assert await ids(registry, agent=str(AGENT)) == [of_agent]
    assert await ids(registry, run=str(RUN)) == [of_agent]
    assert await ids(registry, tool="mail_x.*") == [dear]
    assert await ids(registry, tool="mail.*") == [of_agent, old]
    assert await ids(registry, outcome="denied") == [old]
    assert await ids(registry, principal="machine-1") == [old]
    assert await ids(registry, least_cost="0.2") == [dear]
    middle = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    assert await ids(registry, since=middle) == [dear]
    assert await ids(registry, until=middle) == [of_agent, old]


async def test_calls_come_page_after_page(registry: RunningRegistry, database_url: str) -> None:
    made = [await recorded(database_url, registry.owner, age_days=age) for age in range(3)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await registry.ask("GET", f"{RECORDS}?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [row["id"] for row in answer.json()["items"]]
        cursor = cast("str | None", answer.json()["next_cursor"])
    assert seen == made


async def test_a_call_tells_who_asked_for_whom_and_what_it_cost(registry: RunningRegistry, database_url: str) -> None:
    call_id = await recorded(database_url, registry.owner, principal="p-1", agent_name="desk", cost="0.25")
    record = (await registry.ask("GET", f"{RECORDS}/{call_id}")).json()
    assert (record["principal"], record["agent_name"]) == ("p-1", "desk")
    assert record["cost"] == {"amount": "0.250000", "currency": "USD"}
    refused = await registry.ask("GET", f"{RECORDS}/{call_id}", owner="somebody-else")
    assert (refused.status_code, refused.json()["code"]) == (404, "invocation_not_found")


async def test_an_agents_call_is_recorded_with_its_run_and_its_size_and_without_secrets(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    arguments = {"text": "hello", "api_key": "canary-1"}
    run = str(uuid.uuid4())
    await registry.invoke("scripted.count", arguments, run_id=run, agent_name="desk")
    (found,) = (await registry.ask("GET", f"{RECORDS}?run={run}")).json()["items"]
    assert (found["run_id"], found["agent_name"], found["outcome"]) == (run, "desk", "completed")
    assert found["arguments"] == {"text": "hello", "api_key": "***"}
    assert (found["result_bytes"], found["latency_ms"] > 0) == (1, True)


async def test_what_is_old_is_forgotten_but_not_what_somebody_must_still_look_at(
    registry: RunningRegistry, database_url: str
) -> None:
    owner = registry.owner
    for outcome in ("completed", "denied"):
        await recorded(database_url, owner, age_days=8, outcome=outcome)
    open_still = ("unknown", "waiting_approval", "running")
    kept = [await recorded(database_url, owner, age_days=8, outcome=outcome) for outcome in open_still]
    kept += [await recorded(database_url, owner, age_days=6)]
    database = Database(database_url, pool_size=1)
    try:
        assert await Retention(database, kept_days=7).forget_old() >= 2
    finally:
        await database.close()
    assert sorted(await ids(registry)) == sorted(kept)


async def test_the_runtime_reads_how_the_calls_of_a_run_were_decided(
    registry: RunningRegistry, database_url: str
) -> None:
    run = uuid.uuid4()
    await recorded(database_url, "whoever-owns-the-tool", run_id=run, outcome="denied", cost="0.25")
    await recorded(database_url, registry.owner)
    answer = await registry.http.get(
        "/internal/tools/calls", params={"run_id": str(run)}, headers=registry.as_runtime()
    )
    (call,) = answer.json()["calls"]
    assert (call["run_id"], call["tool_call_id"], call["outcome"]) == (str(run), "call_1", "denied")
    assert (call["cost"], call["cost_currency"]) == ("0.250000", "USD")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        said = "UPDATE tools.invocations SET arguments = '{\"text\": \"hello\"}', result = 'hello' WHERE run_id = %s"
        await connection.execute(said, (run,))
    for headers, status in ((registry.as_runtime(), 204), (registry.issuer.service("governance", "tools"), 403)):
        emptied = await registry.http.delete("/internal/tools/calls", params={"run_id": str(run)}, headers=headers)
        assert emptied.status_code == status, emptied.text
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        query = "SELECT arguments, result FROM tools.invocations WHERE run_id = %s"
        assert await (await connection.execute(query, (run,))).fetchall() == [({}, None)]
    assert (await registry.ask("GET", f"/internal/tools/calls?run_id={run}")).status_code in {403, 404}
