"""NATS stopped while agents are published: publishing still answers, and the agents run once it is back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform


async def test_publishing_goes_on_without_nats(tmp_path: Path):
    async with RunningPlatform(tmp_path / "home") as platform, await platform.client() as client:
        [nats] = await platform.processes("nats")
        os.kill(int(nats["pid"]), signal.SIGSTOP)  # alive but mute: the worst way to be away
        try:
            for number in range(3):
                body = {"name": f"during-{number}", "system_prompt": "Hi."}
                answer = await client.post("/agents", json=body, params={"publish": "true"})
                assert answer.status_code == 201, answer.text
        finally:
            os.kill(int(nats["pid"]), signal.SIGKILL)
        for number in range(3):
            await eventually(
                lambda name=f"during-{number}": _answers(client, name), describe=f"during-{number} answers"
            )


async def _answers(client: httpx.AsyncClient, name: str) -> bool:
    answer = await client.post(f"/agents/{name}/message", json={"text": "Hello"})
    return answer.status_code == 200
