"""Versions side by side on a running platform: labels, shares, and a version that is asked for by its number."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import ROOT, RunningPlatform, publish_agent


def commands_of_the_guide(agent: str) -> Iterator[list[str]]:
    """The commands of docs/versions.md, in their order."""
    lines = re.findall(r"^\$ \./kgents (.+)$", (ROOT / "docs" / "versions.md").read_text("utf-8"), re.MULTILINE)
    return (shlex.split(line.replace("my-agent", agent)) for line in lines)


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

    commands = commands_of_the_guide(name)

    async def next_of_the_guide() -> str:
        ran = await platform.cli(*next(commands))
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def version_heard() -> str:
        return str(model.completions[-1].messages[0]["content"]).removeprefix("I am version ").rstrip(".")

    async def new_ones_are_answered_by(share: int, version: str) -> str:
        """The last conversation that was begun."""
        path = f"/api/v1/agents/{name}/labels/canary"
        assert (await client.put(path, json={"version": 3, "share": share})).status_code == 200
        begun: list[str] = []

        async def is_so() -> bool:
            begun.append((await say(client, name))["conversation_id"])
            return version_heard() == version

        await eventually(is_so)
        return begun[-1]

    assert "version 2 is stable" in await next_of_the_guide()
    assert "10 % of new conversations" in await next_of_the_guide()
    assert [line.split()[:2] for line in (await next_of_the_guide()).splitlines()[1:]] == [
        ["stable", "2"],
        ["canary", "3"],
    ]
    tried = await new_ones_are_answered_by(100, "3")
    await new_ones_are_answered_by(0, "2")
    await say(client, name, tried)
    assert version_heard() == "3"
    for version in ("3", "1"):
        await next_of_the_guide()
        assert version_heard() == version

    items = (await client.get(f"/api/v1/agents/{name}/deployments")).json()["items"]
    running = {(row["lane"], row["version"]) for row in items[0]["instances"] if row["state"] == "ready"}
    assert running == {("stable", 2), ("canary", 3), ("1", 1)}
    missing = await client.post(f"/agents/{name}@4/message", json={"text": "Hello"})
    assert (missing.status_code, missing.json()["code"]) == (404, "version_not_found")

    await next_of_the_guide()
    await next_of_the_guide()
    assert list(commands) == []

    async def canary_is_gone() -> bool:
        answer = await client.post(f"/agents/{name}@canary/message", json={"text": "Hello"})
        return answer.status_code == 404 and answer.json()["code"] == "label_not_found"

    await eventually(canary_is_gone)
    await say(client, name, tried)
    assert version_heard() == "3"
    await client.delete(f"/agents/{name}")
