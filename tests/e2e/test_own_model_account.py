"""An agent that its owner pays: the key goes into the vault, and only the model's server ever sees it again."""

from __future__ import annotations

from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform, publish_agent

OWN_KEY = "sk-own-canary-T7m2Lq9v"


async def test_an_agent_with_a_credential_asks_its_own_server_and_the_use_is_written_down(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer
):
    name = f"agent-{uuid4().hex[:10]}"
    async with ModelServer(api_key=OWN_KEY) as own:
        kept = await client.post(
            "/api/v1/credentials",
            json={"name": name, "type": "llm_provider", "secret": OWN_KEY, "base_url": own.base_url},
        )
        assert kept.status_code == 201, kept.text
        ref = kept.json()["credential_ref"]
        await publish_agent(client, name, llm={"credential_ref": ref, "model": "own-model"})
        answer = await client.post(f"/agents/{name}/message", json={"text": "Hello"})
        assert answer.status_code == 200, answer.text
        assert [request.authorization for request in own.completions] == [f"Bearer {OWN_KEY}"]
        assert not model.completions
    [use] = (await client.get(f"/api/v1/credentials/{ref}/uses")).json()["items"]
    assert (use["used_by"], use["purpose"]) == ("runtime", f"model calls of {name}")
    for path in (f"/api/v1/agents/{name}", f"/api/v1/agents/{name}/versions", "/api/v1/credentials"):
        assert OWN_KEY not in (await client.get(path)).text
    logs = "".join(path.read_text(errors="replace") for path in platform.home.rglob("*.log"))
    assert OWN_KEY not in logs
