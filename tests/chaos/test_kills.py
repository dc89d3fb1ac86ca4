"""kill -9 of every kind of process during a load: nothing acknowledged is lost, nothing is done or told twice.

Seeded and reduced in the suite; `./kgents chaos` runs 200 kills a kind, or as many as fit into `--minutes`
(GUARANTEES, "Nothing lost, nothing twice").
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, default_answer
from kgents_shared.testing.polling import eventually
from tests.chaos import invariants
from tests.chaos.clients import Errands, Talk
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.scripted_mcp import scripted_server

ROLES = ("worker", "forkserver", "nats", "postgres", "host")
FULL = os.environ.get("KGENTS_CHAOS_FULL") == "1"
MINUTES = float(os.environ.get("KGENTS_CHAOS_MINUTES", "0"))
KILLS_PER_ROLE = 200 if FULL else 1
CONVERSATIONS = 3
SEED = int(os.environ.get("KGENTS_CHAOS_SEED", "20260401"))
SERVER = "counter"


def faults(randomness: random.Random) -> Iterator[str]:
    """Which kind of process dies next: each as often as the others, or until the time is over."""
    if MINUTES:
        until = time.monotonic() + MINUTES * 60
        while time.monotonic() < until:
            yield randomness.choice(ROLES)
        return
    order = [role for role in ROLES for _ in range(KILLS_PER_ROLE)]
    randomness.shuffle(order)
    yield from order


async def kill_one(platform: RunningPlatform, role: str) -> None:
    if role == "host":
        await platform.kill_host()
        await platform.start()
        return
    with contextlib.suppress(ProcessLookupError):  # it may have ended between the listing and the kill
        await platform.kill(role)


@pytest.mark.chaos
@pytest.mark.timeout(MINUTES * 60 + KILLS_PER_ROLE * len(ROLES) * 20 + 240)
async def test_nothing_acknowledged_is_lost_and_nothing_done_twice_when_processes_are_killed(tmp_path: Path):
    randomness = random.Random(SEED)  # noqa: S311 -- which process dies next is no secret

    async def slowly(request: ModelRequest) -> Reply:
        await asyncio.sleep(randomness.uniform(0.0, 0.2))
        return default_answer(request)

    async with ModelServer(keep=0) as model, scripted_server(tmp_path) as far_side:
        model.answer_with(slowly)
        environment = {
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_API_KEY": "sk-x",
            "OPENAI_MODEL": "fake-model",
            "TOOLS_SSRF_ALLOWED_HOSTS": '["127.0.0.1"]',
        }
        platform = RunningPlatform(tmp_path / "home", environment)
        async with platform, await platform.client() as client:
            registered = {"name": SERVER, "transport": "streamable_http", "url": far_side.url, "side_effect": "write"}
            made = await client.post("/api/v1/mcp-servers", json=registered)
            assert made.status_code == 201, made.text
            await publish_agent(client, "talker", memory={"window_tokens": 1_000_000})
            await publish_agent(client, "runner", tools={"allow": [f"{SERVER}.count"]})
            talks = [Talk("talker", number) for number in range(CONVERSATIONS)]
            errands = Errands("runner", f"{SERVER}.count", random.Random(SEED + 1))  # noqa: S311 -- see above
            stop = asyncio.Event()
            kills: list[str] = []
            async with asyncio.TaskGroup() as group:
                for actor in (*talks, errands):
                    group.create_task(actor.go_on(client, stop))
                for role in faults(randomness):
                    await asyncio.sleep(randomness.uniform(0.3, 1.0))
                    await kill_one(platform, role)
                    kills.append(role)
                stop.set()
            assert all(talk.acknowledged for talk in talks)
            assert errands.begun
            for talk in talks:
                await invariants.conversation_is_whole(client, talk)
            await invariants.every_run_ends(platform)
            await invariants.no_step_is_twice(platform)
            await invariants.each_effect_once(platform, errands, tmp_path)
            await invariants.every_end_is_told_once(platform)
            said = sum(len(talk.acknowledged) for talk in talks)
            print(f"seed {SEED}: {len(kills)} kills, {said} messages, {len(errands.begun)} runs with an effect")  # noqa: T201 -- for `./kgents chaos`
        await eventually(lambda: not platform.leftovers(), describe="no process is left behind")
