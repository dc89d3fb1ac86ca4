"""A conversation outlives the platform's end, whichever provider's wire it goes over: five agents, one restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from kgents_shared.testing.anthropic_server import AnthropicServer
from kgents_shared.testing.gemini_server import GeminiServer
from kgents_shared.testing.model_server import ModelServer, Reply, ToolCall
from kgents_shared.testing.ollama_server import OllamaServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent

KEY = "sk-canary-of-all-providers-9Q"
TURNS = 12


@pytest.fixture(scope="module")
async def servers() -> AsyncGenerator[dict[str, ModelServer]]:
    found = {
        "openai": ModelServer(api_key=KEY),
        "anthropic": AnthropicServer(api_key=KEY),
        "google": GeminiServer(api_key=KEY),
        "ollama": OllamaServer(),
        "localai": ModelServer(models=("local-model",)),
    }
    async with AsyncExitStack() as stack:
        for server in found.values():
            await stack.enter_async_context(server)
        yield found


@pytest.fixture(scope="module")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, servers: dict[str, ModelServer]
) -> AsyncGenerator[RunningPlatform]:
    """One with an account at each provider."""
    accounts = {f"{name.upper()}_BASE_URL": server.base_url for name, server in servers.items()}
    accounts |= {f"{name.upper()}_API_KEY": KEY for name, server in servers.items() if server.api_key}
    async with RunningPlatform(tmp_path_factory.mktemp("providers") / "home", accounts) as running:
        yield running


async def _answered(client: httpx.AsyncClient, name: str, body: dict[str, Any]) -> httpx.Response:
    """The answer, by who waits while the agent is being started as long as it is told to."""

    async def said() -> httpx.Response | None:
        answer = await client.post(f"/api/v1/agents/{name}/message", json=body)
        return None if answer.status_code == 503 else answer

    answer = await eventually(said, interval=0.5, describe="the agent is started")
    assert answer is not None
    assert answer.status_code == 200, answer.text
    return answer


async def _talk(
    platform: RunningPlatform, client: httpx.AsyncClient, name: str, turns: range, where: str | None
) -> str:
    for turn in turns:
        body: dict[str, Any] = {"text": f"turn {turn}"} | ({} if where is None else {"conversation_id": where})
        answer = await _answered(client, name, body)
        if turn == 1:  # with a tool's call and result before it
            assert answer.json()["text"].startswith("The tool answered: ")
        else:
            earlier = 2 * (turn - 1) + 2 * (turn > 1)
            assert answer.json()["text"] == f"You said: turn {turn} [{1 + earlier + 1} messages seen]"
        where = str(answer.json()["conversation_id"])
    assert where is not None
    return where


async def test_a_conversation_of_twelve_turns_over_a_restart_on_each_providers_wire(
    platform: RunningPlatform, servers: dict[str, ModelServer]
):
    async with await platform.client() as client:
        for name, server in servers.items():
            llm = {"provider": name, "model": f"model-of-{name}"}
            await publish_agent(client, f"with-{name}", llm=llm, tools={"allow": ["time.*"]})
            server.script(Reply(tool_calls=(ToolCall("time_now"),)))
        half = await asyncio.gather(
            *(_talk(platform, client, f"with-{name}", range(1, TURNS // 2 + 1), None) for name in servers)
        )
    await platform.kill_host()
    await platform.start()
    async with await platform.client() as client:
        rest = range(TURNS // 2 + 1, TURNS + 1)
        await asyncio.gather(
            *(_talk(platform, client, f"with-{name}", rest, where) for name, where in zip(servers, half, strict=True))
        )
        for name, where in zip(servers, half, strict=True):
            path = f"/api/v1/conversations/{where}/messages"
            items = (await client.get(path, params={"limit": "100"})).json()["items"]
            assert [item["text"] for item in items if item["role"] == "user"] == [
                f"turn {turn}" for turn in range(1, TURNS + 1)
            ], name
            assert {request.model for request in servers[name].completions} == {f"model-of-{name}"}
    for path in platform.home.rglob("*.log"):
        assert KEY not in await asyncio.to_thread(Path.read_text, path, errors="replace")
