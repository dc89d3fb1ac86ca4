"""kill -9 of every kind of process during a load of messages: nothing acknowledged is lost, nothing is doubled.

Seeded and reduced in the suite; `./kgents chaos` runs 200 kills a kind (GUARANTEES, "Nothing lost, nothing twice").
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent

ROLES = ("worker", "forkserver", "nats", "postgres", "host")
FULL = os.environ.get("KGENTS_CHAOS_FULL") == "1"
KILLS_PER_ROLE = 200 if FULL else 2
AGENTS, CONVERSATIONS = 2, 3
SEED = int(os.environ.get("KGENTS_CHAOS_SEED", "20260401"))
MESSAGE_DEADLINE_S = 90.0


@dataclass
class Talk:
    """One client's side of one conversation: what it was told is stored."""

    agent: str
    number: int
    conversation_id: str | None = None
    acknowledged: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


async def send_until_acknowledged(client: httpx.AsyncClient, talk: Talk) -> None:
    """One message, repeated under one Idempotency-Key until it is acknowledged, as a good client does."""
    text = f"{talk.agent}/{talk.number}/{len(talk.acknowledged)}"
    body = {"text": text} | ({"conversation_id": talk.conversation_id} if talk.conversation_id else {})
    deadline = asyncio.get_running_loop().time() + MESSAGE_DEADLINE_S
    last = ""
    while asyncio.get_running_loop().time() < deadline:
        try:
            answer = await client.post(
                f"/agents/{talk.agent}/message", json=body, headers={"Idempotency-Key": f"chaos/{text}"}
            )
        except httpx.TransportError as error:
            last = repr(error)
        else:
            if answer.status_code == 200:
                reply = answer.json()
                talk.conversation_id = reply["conversation_id"]
                talk.acknowledged.append((text, reply["text"]))
                return
            last = f"{answer.status_code} {answer.text[:300]}"
            assert answer.status_code in {500, 502, 503, 504, 409}, last
        await asyncio.sleep(0.1)
    raise AssertionError(f"{text} was never acknowledged; last: {last}")


async def keep_talking(client: httpx.AsyncClient, talk: Talk, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await send_until_acknowledged(client, talk)


async def kill_one(platform: RunningPlatform, role: str) -> None:
    if role == "host":
        await platform.kill_host()
        await platform.start()
        return
    with contextlib.suppress(ProcessLookupError):  # it may have ended between the listing and the kill
        await platform.kill(role)


async def check_conversation(client: httpx.AsyncClient, talk: Talk) -> None:
    """Every acknowledged message stands once, in order, followed by its reply; and the agent sees all."""
    listed = await client.get(f"/api/v1/conversations/{talk.conversation_id}/messages", params={"limit": "1000"})
    assert listed.status_code == 200, listed.text
    rows = [(row["role"], row["text"]) for row in listed.json()["items"]]
    expected = [pair for user, reply in talk.acknowledged for pair in (("user", user), ("assistant", reply))]
    assert rows == expected
    before = len(talk.acknowledged)
    await send_until_acknowledged(client, talk)
    assert f"[{2 * before + 2} messages seen]" in talk.acknowledged[-1][1]


@pytest.mark.chaos
@pytest.mark.timeout(KILLS_PER_ROLE * len(ROLES) * 20 + 120)
async def test_no_acknowledged_message_is_lost_when_processes_are_killed(tmp_path: Path):
    randomness = random.Random(SEED)  # noqa: S311 -- which process dies next is no secret
    order = [role for role in ROLES for _ in range(KILLS_PER_ROLE)]
    randomness.shuffle(order)
    async with ModelServer(keep=0) as model:
        environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-x", "OPENAI_MODEL": "fake-model"}
        platform = RunningPlatform(tmp_path / "home", environment)
        async with platform, await platform.client() as client:
            agents = [f"chaos-{number}" for number in range(AGENTS)]
            for agent in agents:
                await publish_agent(client, agent)
            talks = [Talk(agent, number) for agent in agents for number in range(CONVERSATIONS)]
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for talk in talks:
                    group.create_task(keep_talking(client, talk, stop))
                for role in order:
                    await asyncio.sleep(randomness.uniform(0.3, 1.0))
                    await kill_one(platform, role)
                stop.set()
            for talk in talks:
                assert talk.acknowledged, f"{talk.agent}/{talk.number} got nothing through"
                await check_conversation(client, talk)
        await eventually(lambda: not platform.leftovers(), timeout=15, describe="no process is left behind")


async def test_a_host_killed_for_good_leaves_no_process_after_the_next_start_and_stop(tmp_path: Path):
    platform = RunningPlatform(tmp_path / "home")
    async with platform, await platform.client() as client:
        await publish_agent(client, "short-lived")
        await platform.kill_host()
        await platform.start()
        rows = await platform.processes()
        assert {row["role"] for row in rows} >= {"host", "postgres", "nats", "forkserver"}
    await eventually(lambda: not platform.leftovers(), timeout=15, describe="no process is left behind")
