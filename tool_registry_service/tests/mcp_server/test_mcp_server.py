"""What MCP clients get at `/mcp`, and what they don't."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

import httpx
import pytest
from mcp import McpError, types

from kgents_shared.contracts.revocations import Revocation
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.external.scripted_mcp import ScriptedServer
from tests.external.wayward_mcp import wayward_server
from tool_registry_service.mcp_server import protocol
from tool_registry_service.mcp_server.names import wire_names

from .conftest import HEADERS, INITIALIZE, ReachedRegistry, reached_registry

LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


async def without_effect(reached: ReachedRegistry, scripted: ScriptedServer, *tools: str) -> None:
    server = await reached.registry.register_http(scripted)
    for tool in tools:
        path = f"/api/v1/mcp-servers/{server['id']}/tools/{tool}"
        assert (await reached.registry.ask("PATCH", path, {"side_effect": "none"})).status_code == 200


def text_of(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def test_the_official_client_lists_and_calls_what_its_bearer_may(
    reached: ReachedRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(reached, scripted, "echo")
    async with reached.client() as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        echo = listed["scripted_echo"]
        assert (echo.title, echo.inputSchema["type"]) == ("scripted.echo", "object")
        assert echo.annotations is not None
        assert echo.annotations.readOnlyHint
        assert listed["scripted_count"].annotations != echo.annotations
        result = await client.call_tool("scripted_echo", {"text": "hello"})
        assert (text_of(result), result.isError) == ("hello", False)
        refused = await client.call_tool("scripted_echo", {"text": 1})
        assert refused.isError
        with pytest.raises(McpError, match="no tool named nowhere"):
            await client.call_tool("nowhere", {})
    records = (await reached.registry.ask("GET", "/api/v1/tools/invocations")).json()["items"]
    assert [row["outcome"] for row in records] == ["invalid_arguments", "completed"]


async def test_others_tools_and_scopes_that_are_not_there_bring_nothing(
    reached: ReachedRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(reached, scripted, "echo")
    without: list[dict[str, Any]] = [
        {"subject": f"somebody-{uuid.uuid4()}"},
        {"scopes": ["tools:read"]},
        {"scopes": ["tools:invoke"]},
    ]
    for claims in without:
        async with reached.client(**claims) as client:
            assert [tool.name for tool in (await client.list_tools()).tools if "scripted" in tool.name] == []
            with pytest.raises(McpError, match="no tool named"):
                await client.call_tool("scripted_echo", {"text": "x"})


async def test_builtin_tools_are_offered_that_need_no_agent(reached: ReachedRegistry) -> None:
    async with reached.client() as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        assert {"time", "http_fetch"} <= offered
        assert not any(name.startswith(("memory", "files", "ask_agent")) for name in offered)
        now = await client.call_tool("time", {"zone": "UTC"})
        assert (now.isError, "UTC" in text_of(now)) == (False, True)


async def test_a_denied_tool_is_neither_offered_nor_called(reached: ReachedRegistry, scripted: ScriptedServer) -> None:
    await without_effect(reached, scripted, "echo")
    rule = {"effect": "deny", "pattern": "scripted.echo"}
    assert (await reached.registry.ask("POST", "/api/v1/tools/permissions", rule)).status_code == 201
    async with reached.client() as client:
        assert "scripted_echo" not in {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(McpError, match="no tool named"):
            await client.call_tool("scripted_echo", {"text": "x"})


async def test_what_was_called_before_is_denied_and_gone_like_anything(
    reached: ReachedRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(reached, scripted, "echo")
    async with reached.client() as client:
        assert text_of(await client.call_tool("scripted_echo", {"text": "x"})) == "x"
        rule = {"effect": "deny", "pattern": "scripted.echo"}
        assert (await reached.registry.ask("POST", "/api/v1/tools/permissions", rule)).status_code == 201
        denied = await client.call_tool("scripted_echo", {"text": "x"})
        assert (denied.isError, "a rule denies scripted.echo" in text_of(denied)) == (True, True)
        (server,) = (await reached.registry.ask("GET", "/api/v1/mcp-servers")).json()["items"]
        await reached.registry.ask("DELETE", f"/api/v1/mcp-servers/{server['id']}")
        assert "no tool named" in text_of(await client.call_tool("scripted_echo", {"text": "x"}))
        with pytest.raises(McpError, match="no tool named"):
            await client.call_tool("scripted_echo", {"text": "x"})


async def test_without_a_bearer_a_client_is_led_to_where_there_are_some(reached: ReachedRegistry) -> None:
    async with httpx.AsyncClient(base_url=reached.url, timeout=60, verify=PLAIN) as visitor:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Host": "evil.example"}):
            refused = await visitor.post("/mcp", json=INITIALIZE, headers=HEADERS | headers)
            assert refused.status_code == 401
            challenge = refused.headers["www-authenticate"]
            metadata = "http://localhost:8080/.well-known/oauth-protected-resource/mcp"
            assert challenge.startswith("Bearer")
            assert f'resource_metadata="{metadata}"' in challenge
        for path in ("", "/mcp"):
            found = await visitor.get(f"/.well-known/oauth-protected-resource{path}")
            assert found.json()["resource"] == "http://localhost:8080/mcp"
            assert found.json()["authorization_servers"] == ["http://localhost:8080"]


async def test_a_page_of_another_origin_is_refused(reached: ReachedRegistry) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:8080.evil.example", "http://localhost"):
        refused = await reached.post(INITIALIZE, headers={"Origin": origin})
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_refused")
    assert (await reached.post(INITIALIZE, headers={"Origin": "http://localhost:8080"})).status_code == 200


async def test_a_session_is_its_callers_alone(reached: ReachedRegistry) -> None:
    session = await reached.begin()
    assert (await reached.post(LIST, session)).status_code == 200
    another = reached.registry.issuer.person(f"somebody-{uuid.uuid4()}")
    assert (await reached.post(LIST, session, headers=another)).status_code == 404
    for made_up in (uuid.uuid4().hex, session[:-1] + ("a" if session[-1] != "a" else "b"), f"{session}.x", "x."):
        assert (await reached.post(LIST, made_up)).status_code == 404
    assert (await reached.post(LIST)).status_code == 400


async def test_any_process_and_one_that_was_restarted_takes_a_session_up(
    reached: ReachedRegistry, database_url: str, scripted: ScriptedServer
) -> None:
    await without_effect(reached, scripted, "echo")
    session = await reached.begin()
    async with reached_registry(database_url) as other:
        other.registry.owner = reached.registry.owner
        call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call",
                "params": {"name": "scripted_echo", "arguments": {"text": "hello"}}}  # fmt: skip
        answer = await other.post(call, session)
        assert answer.status_code == 200
        assert '"text":"hello"' in answer.text


async def test_sessions_that_nothing_goes_on_in_make_room_and_come_back(reached: ReachedRegistry) -> None:
    first = await reached.begin()
    for _ in range(4):
        await reached.begin()
    assert (await reached.post(LIST, first)).status_code == 200


async def test_a_client_hears_that_the_list_has_changed(reached: ReachedRegistry, scripted: ScriptedServer) -> None:
    told: list[str] = []
    async with reached.client(told) as client:
        assert (await client.list_tools()).tools is not None

        async def is_watched() -> bool:
            server = await reached.registry.register_http(scripted, f"s-{uuid.uuid4().hex[:8]}")
            await asyncio.sleep(0.2)
            await reached.registry.ask("DELETE", f"/api/v1/mcp-servers/{server['id']}")
            return "notifications/tools/list_changed" in told

        await eventually(is_watched, describe="the client is told")


async def test_streams_are_bounded_and_end_with_their_bearer(reached: ReachedRegistry) -> None:
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as http:
        session, issuer = await reached.begin(), reached.registry.issuer
        headers = {**HEADERS, **issuer.person(reached.registry.owner, sid="s-1"), "Mcp-Session-Id": session}
        async with http.stream("GET", f"{reached.url}/mcp", headers=headers, timeout=30) as stream:
            assert stream.status_code == 200
            second = await http.get(f"{reached.url}/mcp", headers=headers)
            assert second.status_code == 429
            issuer.revoked.add([Revocation(kind="session", subject="s-1", expires_at=time.time() + 60)])
            assert "list_changed" not in (await stream.aread()).decode()


async def test_streams_end_when_the_server_is_about_to_stop(reached: ReachedRegistry) -> None:
    headers = {**HEADERS, **reached.registry.issuer.person(reached.registry.owner)}
    headers["Mcp-Session-Id"] = await reached.begin()
    ending: asyncio.Event = reached.registry.app.state.ending
    async with (
        httpx.AsyncClient(timeout=60, verify=PLAIN) as http,
        http.stream("GET", f"{reached.url}/mcp", headers=headers) as stream,
    ):
        ending.set()
        assert (stream.status_code, await stream.aread()) == (200, b"")
    ending.clear()


async def test_one_persons_requests_under_way_are_bounded(reached: ReachedRegistry, scripted: ScriptedServer) -> None:
    await without_effect(reached, scripted, "nap")
    session = await reached.begin()
    params = {"name": "scripted_nap", "arguments": {"seconds": 1}}
    calls = [{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params} for number in range(3)]
    answers = await asyncio.gather(*(reached.post(call, session) for call in calls))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
    another = reached.registry.issuer.person(f"somebody-{uuid.uuid4()}")
    assert (await reached.post(INITIALIZE, headers=another)).status_code == 200


async def test_a_long_call_tells_that_it_goes_on(
    reached: ReachedRegistry, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_STILL_S", 0.05)
    await without_effect(reached, scripted, "nap")
    told: list[str | None] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        assert (progress > 0, total) == (True, None)
        told.append(message)

    async with reached.client() as client:
        result = await client.call_tool("scripted_nap", {"seconds": 0.5}, progress_callback=heard)
    assert text_of(result) == "woke up"
    assert told[0] == "scripted.nap is still at work"


async def test_a_call_tells_what_its_tool_says_of_its_progress(reached: ReachedRegistry) -> None:
    async with wayward_server() as server:
        await reached.registry.register("wayward", transport="streamable_http", url=server.url)
        told: list[str | None] = []

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            told.append(message)

        async with reached.client() as client:
            result = await client.call_tool("wayward_steps", {}, progress_callback=heard)
    assert text_of(result) == "done"
    assert "wayward.steps is still at work (1 of 2: step 1)" in told


async def test_a_call_that_is_cancelled_is_answered_at_once_and_recorded_as_it_ends(
    reached: ReachedRegistry, scripted: ScriptedServer
) -> None:
    await without_effect(reached, scripted, "nap")
    session = await reached.begin()
    params = {"name": "scripted_nap", "arguments": {"seconds": 1}}
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    asked = asyncio.create_task(reached.post(call, session))
    await eventually(lambda: len(scripted.calls) == 1)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    assert (await reached.post(cancel, session)).status_code == 202
    assert "cancelled" in (await asked).text

    async def outcomes() -> list[str]:
        rows = (await reached.registry.ask("GET", "/api/v1/tools/invocations")).json()["items"]
        return [row["outcome"] for row in rows if row["outcome"] != "running"]

    assert await eventually(outcomes) == ["completed"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 200_000, 400), (b"\xff\xfe", 400), (b"", 400), (b"[]", 400), (b'{"jsonrpc": "2.0"}', 400),
        (b'"' + b"x" * 1_100_000 + b'"', 413),
    ],
    ids=["deep", "no-utf8", "nothing", "batch", "no-message", "large"],
)  # fmt: skip
async def test_bodies_that_are_none_are_refused(reached: ReachedRegistry, body: bytes, status: int) -> None:
    assert (await reached.post(None, content=body)).status_code == status


async def test_a_session_may_be_ended_and_its_stream_with_it(
    reached: ReachedRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    session = await reached.begin()
    headers = {**HEADERS, **reached.registry.issuer.person(reached.registry.owner), "Mcp-Session-Id": session}
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as http:
        async with http.stream("GET", f"{reached.url}/mcp", headers=headers, timeout=30) as stream:
            assert (await http.delete(f"{reached.url}/mcp", headers=headers)).status_code == 200
            await stream.aread()
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []
        assert (await http.put(f"{reached.url}/mcp", headers=headers)).status_code == 405


@pytest.mark.parametrize(
    ("names", "begins"),
    [
        (["time.now", "acme~time.now"], ["time_now", "acme_time_now"]),
        (["a.b", "a_b"], ["a_b_", "a_b_"]),
        (["x" * 80, "x" * 79 + "y"], ["x" * 55 + "_", "x" * 55 + "_"]),
    ],
    ids=["plain", "alike", "long"],
)
def test_names_are_what_every_client_takes_and_differ(names: list[str], begins: list[str]) -> None:
    found = wire_names(names)
    assert list(found.values()) == names
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", name) for name in found)
    assert [name.startswith(begin) for name, begin in zip(found, begins, strict=True)] == [True, True]
