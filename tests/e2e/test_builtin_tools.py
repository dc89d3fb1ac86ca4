"""Builtin tools through the whole platform: nothing is registered, an agent is allowed them by name."""

from __future__ import annotations

import httpx

from tests.e2e.running_platform import publish_agent


async def say(client: httpx.AsyncClient, agent: str, text: str) -> str:
    answer = await client.post(f"/agents/{agent}/message", json={"text": text})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["text"]
    return found


async def test_an_agent_keeps_a_text_in_one_conversation_and_finds_it_in_another(client: httpx.AsyncClient):
    await publish_agent(client, "keeper", tools={"allow": ["memory.*"]})
    kept = await say(client, "keeper", 'call memory.store {"text": "Ann drinks green tea"}')
    assert "The tool answered: Kept as " in kept
    assert "- Ann drinks green tea" in await say(client, "keeper", 'call memory.search {"query": "tea"}')
    listed = (await client.get("/agents/keeper/memory")).json()["items"]
    assert [row["text"] for row in listed] == ["Ann drinks green tea"]
    assert (await client.delete(f"/agents/keeper/memory/{listed[0]['id']}")).status_code == 204
    assert "Nothing that was kept" in await say(client, "keeper", 'call memory.search {"query": "tea"}')


async def test_an_agent_asks_another_which_answers_in_a_run_of_its_own(client: httpx.AsyncClient):
    await publish_agent(client, "expert")
    await publish_agent(client, "front-desk", tools={"allow": ["ask_agent"]})
    asked = await say(client, "front-desk", 'call ask_agent {"agent": "expert", "message": "What is tea?"}')
    assert "You said: What is tea?" in asked
    [conversation] = (await client.get("/agents/expert/conversations")).json()["items"]
    assert conversation["id"] in asked
    itself = await say(client, "front-desk", 'call ask_agent {"agent": "front-desk", "message": "Hello"}')
    assert "asking it again would never end" in itself
