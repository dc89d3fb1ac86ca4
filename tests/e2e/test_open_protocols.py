"""Agents over open protocols on the running platform: asked by OpenAI's client, and by each other over A2A."""

from __future__ import annotations

from uuid import uuid4

import httpx
import openai

from kgents_shared.testing.model_server import ModelServer, Reply
from tests.e2e.running_platform import RunningPlatform, publish_agent


async def test_an_api_key_asks_an_agent_as_a_model_and_another_agent_asks_it_over_a2a(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer
):
    far, near, by_wrapper = (f"{word}-{uuid4().hex[:10]}" for word in ("far", "near", "wrapped"))
    await publish_agent(client, far, description="Knows capitals.")
    scopes = ["agents:invoke", "agents:read", "runs:read", "runs:write"]
    made = await client.post("/api/v1/users/me/api-keys", json={"name": far, "scopes": scopes, "expires_in_days": 1})
    assert made.status_code == 201, made.text
    key = made.json()["key"]

    async with openai.AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=key) as asking:
        model.script(Reply("Paris."))
        answer = await asking.chat.completions.create(
            model=far, messages=[{"role": "user", "content": "What is the capital of France?"}]
        )
        assert answer.choices[0].message.content == "Paris."
        assert far in {one.id for one in (await asking.models.list()).data}

    [card] = (await client.get(f"/api/v1/agents/{far}/cards")).json()["items"]
    url = f"{card['supportedInterfaces'][0]['url']}/.well-known/agent-card.json"
    kept = await client.post("/api/v1/credentials", json={"name": near, "type": "generic", "secret": key})
    assert kept.status_code == 201, kept.text
    remote = {"protocol": "a2a", "url": url, "credential_ref": kept.json()["credential_ref"]}
    await publish_agent(client, near, runtime={"shell": "Remote", "remote": remote})
    model.script(Reply("Rome."), Reply("Athens."))
    first = await client.post(f"/agents/{near}/message", json={"text": "And of Italy?"})
    assert (first.status_code, first.json().get("text")) == (200, "Rome."), first.text
    second = {"text": "And of Greece?", "conversation_id": first.json()["conversation_id"]}
    assert (await client.post(f"/agents/{near}/message", json=second)).json()["text"] == "Athens."
    assert [row["content"] for row in model.requests[-1].messages][1:] == ["And of Italy?", "Rome.", "And of Greece?"]

    wrapper = await client.post(
        "/api/agents/wrappers", json={"name": by_wrapper, "configuration": {"shell": "Remote", **remote}}
    )
    assert wrapper.status_code == 201, wrapper.text
    deployed = await client.post(f"/api/agents/wrappers/{wrapper.json()['id']}/deploy")
    assert deployed.status_code < 300, deployed.text
    logs = "".join(path.read_text(errors="replace") for path in platform.home.rglob("*.log"))
    assert key not in logs
