"""Agents really call tools of MCP servers that others wrote, from PyPI and npm, over one platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kgents_cli.tools.mcp_catalogue import known_servers
from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external import real_mcp_servers as real_mcp
from tests.external.one_answer import one_page


@pytest.fixture(scope="module")
async def with_tools(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> AsyncGenerator[RunningPlatform]:
    """A platform whose operator allows the servers of the catalogue, as `kgents mcp catalogue` prints them."""
    home = tmp_path_factory.mktemp("tools") / "home"
    allowed = {name: server.entry(real_mcp.folders(home.parent)) for name, server in known_servers().items()}
    real_mcp.prepare(home.parent)
    environment = {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_API_KEY": "sk-canary-Zk3u8Qw1x7",
        "OPENAI_MODEL": "fake-model",
        "TOOLS_STDIO_ALLOWED": json.dumps(allowed),
        "TOOLS_SSRF_ALLOWED_HOSTS": "127.0.0.1",
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
    path = f"/api/v1/mcp-servers/{registered.json()['id']}/tools/convert_time"
    assert (await tool_client.patch(path, json={"side_effect": "none"})).status_code == 200
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


Call = tuple[str, dict[str, Any], str]


def calls(data: Path, page: str) -> dict[str, Call]:
    """A tool of each server, the arguments of a call, and what its answer has in it."""
    graph = {"entities": [{"name": "Piz Palü", "entityType": "mountain", "observations": ["3,900 m high"]}]}
    return {
        "time": ("get_current_time", {"timezone": "UTC"}, '"timezone": "UTC"'),
        "fetch": ("fetch", {"url": page}, "The glacier is white"),
        "git": ("git_log", {"repo_path": str(data / "repository")}, "Message: The first commit"),
        "filesystem": ("read_text_file", {"path": str(data / "files" / "note.txt")}, "Bring the rope."),
        "memory": ("create_entities", graph, "3,900 m high"),
        "everything": ("get-sum", {"a": 19, "b": 23}, "42"),
    }


async def test_a_run_calls_a_tool_of_each_known_server(tool_client: httpx.AsyncClient, with_tools: RunningPlatform):
    names = list(known_servers())
    registered = await asyncio.gather(*(register(tool_client, f"real-{name}", name) for name in names))
    listed = await tool_client.get("/api/v1/tools", params={"limit": 500})
    offered = {row["name"] for row in listed.json()["items"]}
    for name, server_id in zip(names, registered, strict=True):
        for tool, effect in known_servers()[name].side_effects.items():
            assert f"real-{name}.{tool}" in offered
            path = f"/api/v1/mcp-servers/{server_id}/tools/{tool}"
            said = await tool_client.patch(path, json={"side_effect": effect})
            assert said.status_code == 200, said.text
    await publish_agent(tool_client, "handy", tools={"allow": ["real-*"]})
    page = "<html><body><article><h1>Notes</h1><p>The glacier is white.</p></article></body></html>"
    async with one_page(page) as address:
        for name, (tool, arguments, wanted) in calls(with_tools.home.parent, f"{address}/notes").items():
            text = f"call real-{name}.{tool} {json.dumps(arguments, ensure_ascii=False)}"
            answer = await tool_client.post("/agents/handy/message", json={"text": text})
            assert answer.status_code == 200, answer.text
            assert answer.json()["text"].startswith("The tool answered: ")
            assert wanted in answer.json()["text"]
    assert "3,900 m high" in (with_tools.home.parent / "memory" / "memory.jsonl").read_text("utf-8")


async def register(client: httpx.AsyncClient, name: str, command: str) -> str:
    args = ["--allow-private-ips"] if command == "fetch" else []
    body = {"name": name, "transport": "stdio", "command": command, "args": args}
    answer = await client.post("/api/v1/mcp-servers", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_tool_that_the_agent_was_not_allowed_is_neither_offered_nor_called(
    tool_client: httpx.AsyncClient, model: ModelServer
):
    await publish_agent(tool_client, "clockless", tools={"allow": ["time.*"], "deny": ["time.convert_time"]})
    answer = await tool_client.post("/agents/clockless/message", json={"text": "Hello"})
    assert answer.status_code == 200, answer.text
    offered = set(model.completions[-1].tool_names)
    assert len(offered) == 1
    assert "convert_time" not in offered.pop()


async def test_a_definition_is_held_against_what_there_is(tool_client: httpx.AsyncClient):
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
    members = [{"agent": "hours-of-nobody"}, {"agent": "hours-draft"}]
    draft = {"name": "hours-draft", "system_prompt": "x"}
    assert (await tool_client.post("/agents", json=draft)).status_code == 201
    other = {"name": "hours-key", "type": "generic", "secret": "nothing much"}
    generic = (await tool_client.post("/api/v1/credentials", json=other)).json()["credential_ref"]
    fallbacks = [{"provider": "openai", "credential_ref": ref} for ref in (f"cred_{'0' * 32}", generic)]
    asked = {
        "name": "a", "system_prompt": "x", "llm": {"provider": "anthropic", "fallbacks": fallbacks},
        "team": {"mode": "route", "members": members},
    }  # fmt: skip
    report = (await tool_client.post("/agents/validate", json=asked)).json()
    assert {".".join(map(str, fault["loc"])): fault["code"] for fault in report["warnings"]} == {
        "llm.provider": "provider_without_account",
        "llm.fallbacks.0.credential_ref": "credential_not_found",
        "llm.fallbacks.1.credential_ref": "credential_of_other_kind",
        "team.members.0.agent": "member_not_found",
        "team.members.1.agent": "member_not_published",
    }


async def test_a_command_that_the_operator_did_not_list_is_refused(tool_client: httpx.AsyncClient):
    body = {"name": "shell", "transport": "stdio", "command": str(Path("/bin/sh")), "args": ["-c", "id"]}
    answer = await tool_client.post("/api/v1/mcp-servers", json=body)
    assert answer.status_code == 422, answer.text
