"""HTTP tools, imported APIs and builtin tools through the whole platform, by agents in runs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.scripted_api import ScriptedApi, scripted_api

CANARY = "canary-7fD2kQ9z"
SHOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "security": [{"key": []}],
    "paths": {
        "/items/{item}": {
            "get": {
                "operationId": "getItem",
                "parameters": [{"name": "item", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
}


@pytest.fixture(scope="module")
async def shop() -> AsyncGenerator[ScriptedApi]:
    async with scripted_api() as api:
        api.answer("/openapi.json", SHOP)
        api.answer("/items/tea%20pot", {"item": "tea pot", "price": "12.50"})
        page = (
            b"<html><title>Pots</title><body><article><p>A pot keeps tea warm for an hour.</p></article></body></html>"
        )
        api.answer("/pots", page, content_type="text/html; charset=utf-8")
        yield api


async def say(client: httpx.AsyncClient, agent: str, text: str, conversation: str | None = None) -> dict[str, Any]:
    body = {"text": text} | ({} if conversation is None else {"conversation_id": conversation})
    answer = await client.post(f"/agents/{agent}/message", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_agent_calls_an_imported_api_with_a_key_that_it_never_sees(
    client: httpx.AsyncClient, shop: ScriptedApi
):
    stored = await client.post("/api/v1/credentials", json={"name": "shop", "type": "generic", "secret": CANARY})
    body = {
        "name": "shop", "url": f"{shop.url}/openapi.json", "credential_ref": stored.json()["credential_ref"],
        "side_effects": {"get*": "read"},
    }  # fmt: skip
    made = await client.post("/api/v1/tools/import", json=body)
    assert made.status_code == 201, made.text
    await publish_agent(client, "shopkeeper", tools={"allow": ["shop.*"]})
    said = await say(client, "shopkeeper", 'call shop.getItem {"item": "tea pot"}')
    assert '"price": "12.50"' in said["text"]
    assert shop.requests[-1].headers["x-key"] == CANARY
    echoed = await say(client, "shopkeeper", 'call shop.getItem {"item": "unknown"}')
    assert "x-key" in echoed["text"]
    calls = (await client.get("/api/v1/tools/invocations", params={"tool": "shop.*"})).json()["items"]
    assert [call["outcome"] for call in calls] == ["completed", "completed"]
    assert CANARY not in echoed["text"] + json.dumps(calls) + made.text


async def test_an_agent_fetches_a_page_keeps_what_it_read_and_tells_the_time(
    client: httpx.AsyncClient, shop: ScriptedApi
):
    await publish_agent(client, "clerk", tools={"allow": ["http.fetch", "files.*", "time"]})
    fetched = await say(client, "clerk", f'call http.fetch {{"url": "{shop.url}/pots"}}')
    assert "# Pots" in fetched["text"]
    assert "keeps tea warm" in fetched["text"]
    conversation = fetched["conversation_id"]
    await say(client, "clerk", 'call files.write {"path": "pots.md", "content": "Pots keep tea warm."}', conversation)
    kept = await say(client, "clerk", 'call files.read {"path": "pots.md"}', conversation)
    assert "Pots keep tea warm." in kept["text"]
    elsewhere = await say(client, "clerk", "call files.list {}")
    assert "There are no files." in elsewhere["text"]
    told = await say(client, "clerk", 'call time {"at": "2026-05-04T12:00Z", "zone": "Asia/Tokyo"}')
    assert "2026-05-04T21:00:00+09:00" in told["text"]


async def test_an_api_and_a_tool_are_added_from_the_command_line(
    platform: RunningPlatform, client: httpx.AsyncClient, shop: ScriptedApi, tmp_path: Path
):
    async def kgents(*words: str) -> str:
        done = await platform.cli(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    file = tmp_path / "price.toml"
    file.write_text(
        'name = "prices.get"\ndescription = "The price of an item."\nside_effect = "read"\n'
        f'[request]\nmethod = "GET"\nurl = "{shop.url}/items/{{item}}"\n'
        '[input_schema]\ntype = "object"\nrequired = ["item"]\n[input_schema.properties.item]\ntype = "string"\n'
    )
    await kgents("tools", "add", str(file))
    await kgents("tools", "add", f"{shop.url}/openapi.json", "--name", "store", "--side-effect", "get*=read")
    listed = json.loads(await kgents("tools", "list", "--json"))
    names = {tool["name"] for tool in (listed if isinstance(listed, list) else listed["items"])}
    assert {"prices.get", "store.getItem", "http.fetch", "time"} <= names
    await publish_agent(client, "pricer", tools={"allow": ["prices.get"]})
    assert "12.50" in (await say(client, "pricer", 'call prices.get {"item": "tea pot"}'))["text"]
