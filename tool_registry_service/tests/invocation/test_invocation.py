"""The one way to a tool."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.testing.polling import eventually
from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer, calls_in
from tool_registry_service.builtin_tools.asking import AgentAsking
from tool_registry_service.builtin_tools.clock import Clock
from tool_registry_service.builtin_tools.scratch import FileWriter
from tool_registry_service.calls import ToolAnswer
from tool_registry_service.invocation.masking import fingerprint


@pytest.fixture
def rows(database_url: str) -> Callable[[str], Awaitable[list[JsonObject]]]:
    """The invocations of an owner, oldest first."""

    async def of(owner: str) -> list[JsonObject]:
        query = "SELECT row_to_json(i) FROM tools.invocations i WHERE owner_id = %s ORDER BY id"
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            return [row[0] for row in await (await connection.execute(query, (owner,))).fetchall()]

    return of


Rows = Callable[[str], Awaitable[list[JsonObject]]]


async def test_a_call_gives_the_tools_text_and_leaves_a_row(
    registry: RunningRegistry, scripted: ScriptedServer, rows: Rows
) -> None:
    await registry.register_http(scripted)
    body = registry.call_body("scripted.echo", {"text": "hello"})
    assert (await registry.send(body)).json() == {"content": "hello", "is_error": False}
    (row,) = await rows(registry.owner)
    assert {name: row[name] for name in ("agent_id", "run_id", "tool_call_id", "tool", "arguments", "outcome")} == {
        "agent_id": body["agent_id"],
        "run_id": body["run_id"],
        "tool_call_id": "call_1",
        "tool": "scripted.echo",
        "arguments": {"text": "hello"},
        "outcome": "completed",
    }
    assert row["latency_ms"] > 0
    assert row["result_bytes"] == 5


@pytest.mark.parametrize(
    ("tool", "changes", "outcome", "says"),
    [
        ("scripted.echo", {"allow": []}, "denied", "nothing in its [tools] allow"),
        ("scripted.echo", {"allow": ["time.*"]}, "denied", "nothing in its [tools] allow"),
        ("scripted.echo", {"deny": ["scripted.*"]}, "denied", "its [tools] deny has scripted.*"),
        ("scripted.nope", {}, "unknown_tool", "There is no tool named scripted.nope."),
        ("scripted.echo", {"arguments": {}}, "invalid_arguments", "'text' is a required property"),
        ("scripted.echo", {"arguments": {"text": 7}}, "invalid_arguments", "text: 7 is not of type 'string'"),
        ("scripted.echo", {"arguments": {"text": "x", "y": 1}}, "invalid_arguments", "'y' was unexpected"),
        ("scripted.fail", {}, "tool_error", "went wrong, as it was asked to"),
    ],
)
async def test_what_keeps_a_call_from_a_result_is_a_sentence_for_the_model(
    registry: RunningRegistry, scripted: ScriptedServer, rows: Rows, tool: str, changes: Any, outcome: str, says: str
) -> None:
    await registry.register_http(scripted)
    result = await registry.invoke(tool, **changes)
    assert result["is_error"]
    assert says in result["content"]
    assert [row["outcome"] for row in await rows(registry.owner)] == [outcome]


async def test_another_owners_tool_is_an_unknown_one(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    result = await registry.invoke("scripted.echo", {"text": "x"}, owner_id="someone-else")
    assert result == {"content": "There is no tool named scripted.echo.", "is_error": True}


async def test_a_tool_that_the_operator_denies_is_neither_offered_nor_called(
    database_url: str, scripted: ScriptedServer
) -> None:
    async with running_registry(database_url, denied="*.count, *.nap") as registry:
        await registry.register_http(scripted)
        result = await registry.invoke("scripted.count", allow=["scripted.count"])
        assert "switched off on this platform" in result["content"]
        asked = {"owner_id": registry.owner, "allow": ["*.count"], "deny": []}
        answer = await registry.http.post("/internal/tools/resolve", json=asked, headers=registry.as_runtime())
        assert answer.json()["tools"] == []
    assert scripted.calls == []


async def test_the_same_key_gives_the_stored_result_and_no_second_call(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    body = registry.call_body("scripted.count", {"n": 1})
    first = (await registry.send(body)).json()
    assert first == {"content": "1", "is_error": False}
    assert (await registry.send(body)).json() == first
    assert scripted.calls == [f"{body['idempotency_key']} " + '{"n": 1}']


async def test_a_hundred_at_once_with_one_key_make_one_call(
    registry: RunningRegistry, database_url: str, scripted: ScriptedServer
) -> None:
    async with running_registry(database_url) as second:
        await registry.register_http(scripted)
        second.owner = registry.owner
        body = registry.call_body("scripted.nap", {"seconds": 0.3})
        answers = await asyncio.gather(*((registry, second)[number % 2].send(body) for number in range(100)))
    assert {answer.text for answer in answers} == {'{"content":"woke up","is_error":false}'}
    assert len(scripted.calls) == 1


async def test_a_key_used_for_another_call_is_refused(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    body = registry.call_body("scripted.count", {"n": 1})
    await registry.send(body)
    for other in ({"arguments": {"n": 2}}, {"name": "scripted.nap", "arguments": {"seconds": 0}}):
        answer = await registry.send(body | other)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = await registry.send(body | {"owner_id": "someone-else"})
    assert elsewhere.status_code == 200
    assert len(scripted.calls) == 1


async def test_a_caller_that_goes_away_does_not_end_the_call(
    registry: RunningRegistry, scripted: ScriptedServer, rows: Rows
) -> None:
    await registry.register_http(scripted)
    body = registry.call_body("scripted.nap", {"seconds": 0.5})
    impatient = asyncio.create_task(registry.send(body))
    await eventually(lambda: len(scripted.calls) == 1)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    assert (await registry.send(body)).json() == {"content": "woke up", "is_error": False}
    assert len(scripted.calls) == 1
    assert [row["outcome"] for row in await rows(registry.owner)] == ["completed"]


async def leave_running(database_url: str, body: JsonObject) -> None:
    """What a registry that was killed in the middle of a call leaves behind."""
    query = """
        INSERT INTO tools.invocations (id, owner_id, principal, agent_id, run_id, tool_call_id, idempotency_key, tool,
            arguments, fingerprint, runner, outcome, started_at)
        VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, '{}', %s, gen_random_uuid(), 'running', now())
    """
    names = ("owner_id", "principal", "agent_id", "run_id", "tool_call_id", "idempotency_key", "name")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(query, (*(body[name] for name in names), fingerprint(body["name"], body["arguments"])))


async def test_a_call_cut_off_by_the_registrys_death_is_unknown_and_not_repeated(
    registry: RunningRegistry, database_url: str, scripted: ScriptedServer, rows: Rows
) -> None:
    await registry.register_http(scripted)
    body = registry.call_body("scripted.count", {"n": 1})
    await leave_running(database_url, body)
    first = (await registry.send(body)).json()
    assert first["is_error"]
    assert "whether it took effect is not known" in first["content"]
    assert (await registry.send(body)).json() == first
    assert scripted.calls == []
    assert [row["outcome"] for row in await rows(registry.owner)] == ["unknown"]


async def test_a_cut_off_call_of_a_tool_without_side_effect_is_made_again(
    registry: RunningRegistry, database_url: str, scripted: ScriptedServer
) -> None:
    server = await registry.register_http(scripted)
    await registry.ask("PATCH", f"/api/v1/mcp-servers/{server['id']}/tools/count", {"side_effect": "none"})
    body = registry.call_body("scripted.count", {"n": 1})
    await leave_running(database_url, body)
    assert (await registry.send(body)).json() == {"content": "1", "is_error": False}
    assert len(scripted.calls) == 1


async def test_a_cut_off_question_to_an_agent_is_asked_again_and_waits_with_the_one_that_waits(
    registry: RunningRegistry, database_url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, asked = uuid4(), list[UUID | None]()

    async def answer(_: Any, call: InvokeToolRequest) -> ToolAnswer:
        asked.append(call.awaited_run)
        return ToolAnswer("It waits.", awaited_run=waiting) if call.awaited_run is None else ToolAnswer("Tea.")

    monkeypatch.setattr(AgentAsking, "_answer", answer)
    body = registry.call_body("ask_agent", {"agent": "expert", "message": "What?"})
    await leave_running(database_url, body)
    told = (await registry.send(body)).json()
    assert (told["awaited_run"], told["is_error"]) == (str(waiting), False)
    assert [(row["outcome"], row["approval_id"]) for row in await rows(registry.owner)] == [("waiting_approval", None)]
    assert (await registry.send(body | {"awaited_run": str(waiting)})).json()["content"] == "Tea."
    assert asked == [None, waiting]
    assert [row["outcome"] for row in await rows(registry.owner)] == ["completed"]


@pytest.mark.parametrize(
    ("tool", "where", "arguments", "ended"),
    [
        ("time", Clock, {}, "failed"),
        ("files.write", FileWriter, {"path": "a", "content": "x"}, "unknown"),
    ],
)  # fmt: skip
async def test_a_call_that_breaks_within_the_platform_ends_and_is_not_made_again(
    registry: RunningRegistry, rows: Rows, monkeypatch: pytest.MonkeyPatch, tool: str, where: type,
    arguments: JsonObject, ended: str,
) -> None:  # fmt: skip
    began: list[str] = []

    async def breaking(_: Any, call: InvokeToolRequest) -> ToolAnswer:
        began.append(call.name)
        raise TypeError("a mistake")

    monkeypatch.setattr(where, "call", breaking)
    body = registry.call_body(tool, arguments)
    first = (await registry.send(body)).json()
    assert first["is_error"]
    assert "something failed inside the platform" in first["content"]
    assert ("Whether it took effect is not known" in first["content"]) == (ended == "unknown")
    assert (await registry.send(body)).json() == first
    assert began == [tool]
    assert [row["outcome"] for row in await rows(registry.owner)] == [ended]


async def test_a_slow_tool_ends_at_the_deadline_and_the_session_goes_on(
    database_url: str, scripted: ScriptedServer, rows: Rows
) -> None:
    async with running_registry(database_url, call_timeout_s=0.5) as registry:
        await registry.register_http(scripted)
        result = await registry.invoke("scripted.nap", {"seconds": 60})
        assert result["is_error"]
        assert "did not answer within 0.5 s" in result["content"]
        assert await registry.invoke("scripted.echo", {"text": "still here"}) == {
            "content": "still here",
            "is_error": False,
        }
        assert [row["outcome"] for row in await rows(registry.owner)] == ["timed_out", "completed"]


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_result_is_cut_to_size_and_a_flood_is_not_read(
    registry: RunningRegistry, scripted: ScriptedServer, rows: Rows, transport: str
) -> None:
    await (registry.register_http(scripted) if transport == "http" else registry.register_stdio())
    long = await registry.invoke("scripted.flood", {"bytes": 50_000})
    assert not long["is_error"]
    assert long["content"].endswith("[cut: the result has 50000 bytes, the first 10000 are shown]")
    flood = await registry.invoke("scripted.flood", {"bytes": 5_000_000})
    assert flood["is_error"]
    assert "over 1000000 bytes" in flood["content"]
    assert (await registry.invoke("scripted.echo", {"text": "again"}))["content"] == "again"
    assert [row["outcome"] for row in await rows(registry.owner)] == ["completed", "too_large", "completed"]


async def test_what_is_not_text_is_named(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    assert (await registry.invoke("scripted.picture"))["content"].startswith("[image, image/png, 8 characters")


async def test_answers_go_to_those_who_asked(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    texts = [f"number {number}" for number in range(40)]
    results = await asyncio.gather(*(registry.invoke("scripted.echo", {"text": text}) for text in texts))
    assert [result["content"] for result in results] == texts


async def test_secrets_in_arguments_are_not_kept(
    registry: RunningRegistry, scripted: ScriptedServer, rows: Rows
) -> None:
    await registry.register_http(scripted)
    arguments = {
        "password": "canary-1",
        "apiKey": "canary-2",
        "nested": [{"Authorization": "canary-3"}],
        "text": "call me with sk-canary12345678 please",
        "nul": "a\x00b",
        "url": "https://ann:canary-4@a.example/x?apikey=canary-5&b=1&x-token=canary-6#c",
        "file": "-----BEGIN PRIVATE KEY-----\ncanaryMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----\nand more",
        "command": "curl -H 'Authorization: Bearer canary-7890123456' https://a.example:8080/?monkey=1",
    }
    await registry.invoke("scripted.count", arguments)
    (row,) = await rows(registry.owner)
    assert "canary" not in str(row)
    assert row["arguments"]["text"] == "call me with *** please"
    assert row["arguments"]["url"] == "https://ann:***@a.example/x?apikey=***&b=1&x-token=***#c"
    assert row["arguments"]["file"] == "***\nand more"
    assert row["arguments"]["command"] == "curl -H 'Authorization: Bearer ***' https://a.example:8080/?monkey=1"
    assert "canary-1" in scripted.calls[0]


async def test_a_server_that_was_restarted_is_connected_to_again(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    await registry.invoke("scripted.echo", {"text": "before"})
    await scripted.kill()
    gone = await registry.invoke("scripted.echo", {"text": "meanwhile"})
    assert gone["is_error"]
    assert "can't be used" in gone["content"] or "is away" in gone["content"]
    await scripted.start()

    async def answers() -> bool:
        return await registry.invoke("scripted.echo", {"text": "after"}) == {"content": "after", "is_error": False}

    await eventually(answers, describe="the server is used again")


async def test_a_process_that_dies_in_a_call_leaves_the_outcome_unknown_and_is_started_again(
    registry: RunningRegistry, rows: Rows
) -> None:
    await registry.register_stdio()
    died = await registry.invoke("scripted.die")
    assert died["is_error"]
    assert "whether the call took effect is not known" in died["content"] or "process ended" in died["content"]
    assert await registry.invoke("scripted.echo", {"text": "back"}) == {"content": "back", "is_error": False}
    assert [row["outcome"] for row in await rows(registry.owner)] == ["unknown", "completed"]


async def test_the_time_server_from_pypi_tells_the_time(database_url: str, time_command: Path) -> None:
    allowed = {"time": {"command": str(time_command), "args": ["--local-timezone", "UTC"]}}
    async with running_registry(database_url, stdio_allowed=allowed) as registry:
        await registry.register_stdio("time", "time")
        arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        result = await registry.invoke("time.convert_time", arguments, allow=["time.*"])
        assert not result["is_error"]
        assert "21:00" in result["content"]


async def test_calls_survive_the_registrys_restart(database_url: str, stdio_command: Any, stdio_folder: Path) -> None:
    settings: JsonObject = {"stdio_allowed": {"scripted": stdio_command}}
    async with running_registry(database_url, **settings) as first:
        await first.register_stdio()
        body = first.call_body("scripted.count")
        stored = (await first.send(body)).json()
    async with running_registry(database_url, **settings) as second:
        second.owner = first.owner
        assert (await second.send(body)).json() == stored
        assert (await second.invoke("scripted.count"))["content"] == "2"
    assert len(calls_in(stdio_folder)) == 2
