"""Kgents as an MCP server: clients that others wrote use a running platform's agents and tools by its bearers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client

from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.scripted_mcp import ScriptedServer, scripted_server

AGENT, SERVER = f"mcp-{uuid4().hex[:8]}", f"s-{uuid4().hex[:8]}"
ASK, TOOL = f"ask_{AGENT}", SERVER


@pytest.fixture(scope="module")
async def scripted(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScriptedServer]:
    async with scripted_server(tmp_path_factory.mktemp("mcp")) as server:
        yield server


@pytest.fixture(scope="module")
async def furnished(platform: RunningPlatform, scripted: ScriptedServer) -> RunningPlatform:
    """The admin's agent, and two tools: `echo` without effect, `count` with one outside."""
    async with await platform.client() as client:
        body = {"name": SERVER, "transport": "streamable_http", "url": scripted.url}
        made = await client.post("/api/v1/mcp-servers", json=body)
        assert made.status_code == 201, made.text
        path = f"/api/v1/mcp-servers/{made.json()['id']}/tools/echo"
        assert (await client.patch(path, json={"side_effect": "none"})).status_code == 200
        await publish_agent(client, AGENT, description="Knows the desk.", tools={"allow": [f"{SERVER}.*"]})
    return platform


@asynccontextmanager
async def official(platform: RunningPlatform) -> AsyncGenerator[ClientSession]:
    """The official client with the admin's access token."""
    headers = {"Authorization": f"Bearer {await platform.token()}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60, verify=PLAIN) as http,
        streamable_http_client(f"{platform.url}/mcp", http_client=http) as (read, write, _),
        ClientSession(read, write, timedelta(seconds=60)) as session,
    ):
        await session.initialize()
        yield session


def text_of(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def test_the_official_client_talks_to_an_agent_and_calls_a_tool(furnished: RunningPlatform) -> None:
    told: list[str | None] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        assert (progress > 0, total) == (True, None)
        told.append(message)

    async with official(furnished) as session:
        listed = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert "Knows the desk." in (listed[ASK].description or "")
        first = await session.call_tool(ASK, {"text": "Hello"}, progress_callback=heard)
        assert first.structuredContent is not None
        assert (first.isError, first.structuredContent["status"]) == (False, "completed")
        assert text_of(first) == first.structuredContent["text"] != ""
        conversation = first.structuredContent["conversation_id"]
        second = await session.call_tool(ASK, {"text": "And again", "conversation_id": conversation})
        assert second.structuredContent is not None
        assert second.structuredContent["conversation_id"] == conversation
        run = await session.call_tool("run_status", {"run_id": first.structuredContent["run_id"]})
        assert text_of(run) == text_of(first)
        called = await session.call_tool(f"{TOOL}_echo", {"text": "hello"})
        assert (text_of(called), called.isError) == ("hello", False)
        blank = await session.call_tool(ASK, {"text": " "})
        assert blank.isError
        without = await session.call_tool(ASK, {})
        assert (without.isError, 'text: "text" is required' in text_of(without)) == (True, True)
    assert told[0] == f"{AGENT} is at work"


async def test_langchain_uses_them_by_an_api_key_with_no_more_than_its_scopes(
    furnished: RunningPlatform, client: httpx.AsyncClient
) -> None:
    scopes = ["agents:read", "agents:invoke", "tools:read", "tools:invoke"]
    made = await client.post("/api/v1/users/me/api-keys", json={"name": f"mcp-{uuid4()}", "scopes": scopes})
    connection: Any = {
        "transport": "streamable_http",
        "url": f"{furnished.url}/mcp",
        "headers": {"Authorization": f"Bearer {made.json()['key']}"},
    }
    adapters = MultiServerMCPClient({"kgents": connection})
    async with adapters.session("kgents") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        assert "run_status" not in tools
        assert "hello" in str(await tools[f"{TOOL}_echo"].ainvoke({"text": "hello"}))
        assert await tools[ASK].ainvoke({"text": "Hello"})


async def approve(client: httpx.AsyncClient, text: str) -> None:
    approval = text.partition("approval ")[2].split()[0].strip("),.;")
    answer = await client.post(f"/api/v1/approvals/{approval}/decide", json={"decision": "approve"})
    assert answer.status_code == 200, answer.text


async def test_a_call_with_an_effect_outside_waits_and_is_made_once_when_it_is_approved(
    furnished: RunningPlatform, client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    arguments = {"n": 1}
    async with official(furnished) as session:
        waiting = await session.call_tool(f"{TOOL}_count", arguments)
        assert waiting.isError
        assert "Nothing was done yet" in text_of(waiting)
        assert text_of(await session.call_tool(f"{TOOL}_count", arguments)) == text_of(waiting)
        before = len(scripted.calls)
        await approve(client, text_of(waiting))
        done = await session.call_tool(f"{TOOL}_count", arguments)
        assert (done.isError, len(scripted.calls)) == (False, before + 1)
        again = await session.call_tool(f"{TOOL}_count", arguments)
        assert "Nothing was done yet" in text_of(again)


async def test_a_call_of_ones_own_by_the_api_waits_under_its_key_and_is_made_or_refused_as_a_person_decides(
    furnished: RunningPlatform, client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    before = len(scripted.calls)
    for decision, outcome in (("approve", "completed"), ("reject", "rejected")):
        headers = {"Idempotency-Key": f"{decision}-{uuid4()}"}
        call = partial(client.post, f"/api/v1/tools/{SERVER}.count/call", headers=headers)
        waiting = await call(json={"arguments": {"n": 3}})
        assert (waiting.status_code, waiting.json()["outcome"]) == (202, "waiting_approval")
        assert (await call(json={"arguments": {"n": 4}})).json()["code"] == "idempotency_key_reused"
        approval = waiting.json()["waiting"]["approval_id"]
        decided = await client.post(f"/api/v1/approvals/{approval}/decide", json={"decision": decision})
        assert decided.status_code == 200, decided.text
        for _ in range(2):
            done = await call(json={"arguments": {"n": 3}})
            assert (done.status_code, done.json()["outcome"]) == (200, outcome)
    assert len(scripted.calls) == before + 1


async def test_an_agent_that_waits_is_asked_for_its_answer_later(
    furnished: RunningPlatform, client: httpx.AsyncClient
) -> None:
    async with official(furnished) as session:
        waiting = await session.call_tool(ASK, {"text": f'call {SERVER}.count {{"n": 2}}'})
        assert waiting.structuredContent is not None
        assert waiting.structuredContent["status"] == "waiting_approval"
        await approve(client, text_of(waiting))
        run = {"run_id": waiting.structuredContent["run_id"]}

        async def answer() -> str | None:
            found = await session.call_tool("run_status", run)
            assert found.structuredContent is not None
            return found.structuredContent.get("text")

        found = await eventually(answer, describe="the run goes on")
        assert str(found).startswith("The tool answered: ")


async def test_by_the_command_line_alone_a_server_is_registered_called_looked_at_and_removed(
    platform: RunningPlatform, scripted: ScriptedServer
) -> None:
    async def ran(*arguments: str) -> str:
        done = await platform.cli(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = f"c-{uuid4().hex[:8]}"
    assert "is registered with" in await ran("mcp", "add", name, "--url", scripted.url)
    await ran("tools", "set", f"{name}.echo", "--side-effect", "none")
    assert await ran("tools", "call", f"{name}.echo", '{"text": "hello"}') == "hello\n"
    assert await ran("tools", "test", f"{name}.echo") == "example\n"
    waiting = await platform.cli("tools", "call", f"{name}.count")
    assert (waiting.returncode, "waits for approval" in waiting.stderr) == (1, True)
    recorded = await ran("tools", "invocations", "--tool", f"{name}.*")
    assert [line.split()[4] for line in recorded.splitlines()[1:]] == ["waiting_approval", "completed", "completed"]
    assert await ran("mcp", "remove", name, "--yes") == f"The server {name} is removed.\n"
