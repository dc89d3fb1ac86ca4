"""An agent really calls a tool: mcp-server-time from PyPI, in an environment of its own, over the platform."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.real_mcp_servers import mcp_time_command


@pytest.fixture(scope="module")
async def with_tools(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> AsyncGenerator[RunningPlatform]:
    """A platform whose operator allows that one stdio server."""
    home = tmp_path_factory.mktemp("tools") / "home"
    allowed = {"time": {"command": str(mcp_time_command()), "args": ["--local-timezone", "UTC"]}}
    environment = {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_API_KEY": "sk-canary-Zk3u8Qw1x7",
        "OPENAI_MODEL": "fake-model",
        "TOOLS_STDIO_ALLOWED": json.dumps(allowed),
    }
    async with RunningPlatform(home, environment) as platform:
        yield platform


@pytest.fixture
async def tool_client(with_tools: RunningPlatform) -> AsyncGenerator[httpx.AsyncClient]:
    async with await with_tools.client() as opened:
        yield opened


async def test_a_run_calls_a_tool_of_a_real_mcp_server(tool_client: httpx.AsyncClient):
    body = {"name": "time", "transport": "stdio", "command": "time", "args": []}
    registered = await tool_client.post("/api/v1/mcp-servers", json=body)
    assert registered.status_code == 201, registered.text
    listed = await tool_client.get("/tools")
    assert {"time.get_current_time", "time.convert_time"} <= {row["name"] for row in listed.json()["items"]}
    await publish_agent(tool_client, "clock", tools={"allow": ["time.*"]})
    text = 'call time.convert_time {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}'
    answer = await tool_client.post("/agents/clock/message", json={"text": text})
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"].startswith("The tool answered: ")
    assert "T21:00:00+09:00" in answer.json()["text"]
    messages = await tool_client.get(f"/api/v1/conversations/{answer.json()['conversation_id']}/messages")
    assert [row["role"] for row in messages.json()["items"]] == ["user", "assistant", "tool", "assistant"]


async def test_a_tool_that_the_agent_was_not_allowed_is_neither_offered_nor_called(
    tool_client: httpx.AsyncClient, model: ModelServer
):
    await publish_agent(tool_client, "clockless", tools={"allow": ["time.*"], "deny": ["time.convert_time"]})
    answer = await tool_client.post("/agents/clockless/message", json={"text": "Hello"})
    assert answer.status_code == 200, answer.text
    offered = set(model.completions[-1].tool_names)
    assert len(offered) == 1
    assert "convert_time" not in offered.pop()


async def test_a_definition_is_held_against_the_tools_that_there_are(tool_client: httpx.AsyncClient):
    body = {"name": "hours", "transport": "stdio", "command": "time", "args": []}
    assert (await tool_client.post("/api/v1/mcp-servers", json=body)).status_code == 201
    text = 'name = "a"\nsystem_prompt = "x"\n[tools]\nallow = [\n"hours.*",\n"hours.convert_tim",\n"huors.*"]\n'
    headers = {"content-type": "application/toml"}
    answer = await tool_client.post("/agents/validate", content=text, headers=headers)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["errors"] == []
    found = {fault["line"]: (fault["code"], fault["hint"]) for fault in report["warnings"]}
    assert found[6] == ("tool_not_registered", 'did you mean "hours.convert_time"?')
    assert found[7] == ("tool_pattern_unmatched", 'did you mean "hours.*"?')
    assert 5 not in found


async def test_a_command_that_the_operator_did_not_list_is_refused(tool_client: httpx.AsyncClient):
    body = {"name": "shell", "transport": "stdio", "command": str(Path("/bin/sh")), "args": ["-c", "id"]}
    answer = await tool_client.post("/api/v1/mcp-servers", json=body)
    assert answer.status_code == 422, answer.text
