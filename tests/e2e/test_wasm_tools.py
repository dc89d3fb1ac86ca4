"""Agents call tools that are WebAssembly, over the running platform."""

from __future__ import annotations

import json

import httpx

from tests.e2e.running_platform import publish_agent
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


async def test_a_run_calls_a_module_and_goes_on_where_one_goes_over_its_limits(client: httpx.AsyncClient):
    await server(client, "wasm-math", arithmetic())
    bad = await server(client, "wasm-bad", hostile(), fuel=10_000_000)
    await publish_agent(client, "calculator", tools={"allow": ["wasm-*"]})
    assert "The tool answered: 42 " in await said_to(client, "calculator", "wasm-math.sum", {"numbers": [19, 23]})
    assert "used up its fuel of 10000000" in await said_to(client, "calculator", "wasm-bad.spin", {})
    assert "The tool answered: 42 " in await said_to(client, "calculator", "wasm-math.product", {"numbers": [6, 7]})
    stopped = await client.post(f"{SERVERS}/{bad}/stop")
    assert (stopped.json()["state"], stopped.json()["loaded"]) == ("stopped", False)
    assert "is stopped" in await said_to(client, "calculator", "wasm-bad.remember", {})
    calls = await client.get("/api/v1/tools/invocations", params={"tool": "wasm-bad.spin"})
    assert [row["outcome"] for row in calls.json()["items"]] == ["limit_exceeded"]
