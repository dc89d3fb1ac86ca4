"""Agents call tools that are WebAssembly, over the running platform."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.wasm_modules import arithmetic, hostile

SERVERS = "/api/v1/mcp-servers"


async def server(client: httpx.AsyncClient, name: str, source: bytes, **limits: int) -> str:
    module = await client.post(f"{SERVERS}/modules", content=source)
    assert module.status_code == 201, module.text
    wasm = {"module": module.json()["sha256"], "limits": limits}
    made = await client.post(SERVERS, json={"name": name, "transport": "wasm", "wasm": wasm})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def said_to(client: httpx.AsyncClient, agent: str, tool: str, arguments: object) -> str:
    answer = await client.post(f"/agents/{agent}/message", json={"text": f"call {tool} {json.dumps(arguments)}"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["text"])


async def test_a_run_calls_a_module_and_goes_on_where_one_goes_over_its_limits(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
):
    async def kgents(*words: str) -> str:
        done = await platform.cli(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    await server(client, "wasm-math", arithmetic())
    await server(client, "wasm-bad", hostile(), fuel=10_000_000)
    await publish_agent(client, "calculator", tools={"allow": ["wasm-*"]})
    assert "The tool answered: 42 " in await said_to(client, "calculator", "wasm-math.sum", {"numbers": [19, 23]})
    assert "used up its fuel of 10000000" in await said_to(client, "calculator", "wasm-bad.spin", {})
    assert "The tool answered: 42 " in await said_to(client, "calculator", "wasm-math.product", {"numbers": [6, 7]})
    other = tmp_path / "other.wat"
    other.write_bytes(hostile() + b";; another one")
    updated = await kgents("mcp", "update", "wasm-bad", "--wasm", str(other), "--memory-mb", "2")
    assert {"unchanged  wasm-bad.spin", "unchanged  wasm-bad.remember"} <= set(updated.splitlines())
    told = json.loads(await kgents("mcp", "usage", "wasm-bad", "--json"))
    assert told["limits"] == {"fuel": 10_000_000, "memory_mb": 2, "timeout_ms": 5_000}
    assert (told["usage"]["calls"], told["usage"]["over_fuel"]) == (1, 1)
    stopped = json.loads(await kgents("mcp", "stop", "wasm-bad", "--json"))
    assert (stopped["state"], stopped["loaded"]) == ("stopped", False)
    assert "is stopped" in await said_to(client, "calculator", "wasm-bad.remember", {})
    calls = await client.get("/api/v1/tools/invocations", params={"tool": "wasm-bad.spin"})
    assert [row["outcome"] for row in calls.json()["items"]] == ["limit_exceeded"]
