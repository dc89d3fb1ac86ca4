"""Versions side by side on a running platform: labels, shares, and a version that is asked for by its number."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent


async def publish_versions(client: httpx.AsyncClient, name: str, number: int) -> None:
    """Versions 1 to `number`, each with a prompt that says which it is; the last one is in force."""
    await publish_agent(client, name, system_prompt="I am version 1.")
    for version in range(2, number + 1):
        await client.put(f"/agents/{name}", json={"name": name, "system_prompt": f"I am version {version}."})
        assert (await client.post(f"/agents/{name}/publish")).json()["version"] == version


async def say(client: httpx.AsyncClient, agent: str, conversation_id: str | None = None) -> dict[str, Any]:
    body = {"text": "Hello"} | ({"conversation_id": conversation_id} if conversation_id else {})
    answer = await client.post(f"/agents/{agent}/message", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_version_is_tried_by_a_share_made_stable_and_asked_for_by_its_number(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer
):
    name = f"agent-{uuid4().hex[:10]}"
    await publish_versions(client, name, 3)

    def version_heard() -> str:
        return str(model.completions[-1].messages[0]["content"]).removeprefix("I am version ").rstrip(".")

    async def label(*arguments: str) -> str:
        ran = await platform.cli("agents", "label", name, *arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert "version 2 is stable" in await label("stable", "2")
    assert "100 % of new conversations" in await label("canary", "3", "--share", "100")
    tried = (await say(client, name))["conversation_id"]
    assert version_heard() == "3"
    assert "no share" in await label("canary", "3", "--share", "0")

    async def is_back() -> bool:
        await say(client, name)
        return version_heard() == "2"

    await eventually(is_back, timeout=20)
    await say(client, name, tried)
    assert version_heard() == "3"
    await say(client, f"{name}@canary")
    assert version_heard() == "3"

    by_number = await platform.cli("message", f"{name}@1", "Hello", "--json")
    assert (by_number.returncode, version_heard()) == (0, "1"), by_number.stderr
    items = (await client.get(f"/api/v1/agents/{name}/deployments")).json()["items"]
    running = {(row["lane"], row["version"]) for row in items[0]["instances"] if row["state"] == "ready"}
    assert running == {("stable", 2), ("canary", 3), ("1", 1)}
    missing = await client.post(f"/agents/{name}@4/message", json={"text": "Hello"})
    assert (missing.status_code, missing.json()["code"]) == (404, "version_not_found")

    await label("stable", "3")
    assert (await platform.cli("agents", "unlabel", name, "canary")).returncode == 0

    async def canary_is_gone() -> bool:
        answer = await client.post(f"/agents/{name}@canary/message", json={"text": "Hello"})
        return answer.status_code == 404 and answer.json()["code"] == "label_not_found"

    await eventually(canary_is_gone, timeout=20)
    await say(client, name, tried)
    assert version_heard() == "3"
    await client.delete(f"/agents/{name}")
