"""What goes on while processes are killed: good clients, who repeat what wasn't acknowledged under its own key."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

DEADLINE_S = 90.0
_PAUSE_S = 0.1
# What a platform may answer that has just lost a process.
_PASSING = {409, 429, 500, 502, 503, 504}


async def until_acknowledged(
    client: httpx.AsyncClient, path: str, body: Mapping[str, object], key: str, wanted: int
) -> dict[str, Any]:
    """The answer to a request that is repeated under one Idempotency-Key until it is acknowledged."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    last = ""
    while asyncio.get_running_loop().time() < deadline:
        try:
            answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError as error:
            last = repr(error)
        else:
            if answer.status_code == wanted:
                return answer.json()
            last = f"{answer.status_code} {answer.text[:300]}"
            assert answer.status_code in _PASSING, last
        await asyncio.sleep(_PAUSE_S)
    raise AssertionError(f"{key} was never acknowledged; last: {last}")


@dataclass
class Talk:
    """One client's side of one conversation: what it was told is stored."""

    agent: str
    number: int
    conversation_id: str | None = None
    acknowledged: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def say(self, client: httpx.AsyncClient) -> None:
        """One message and its answer."""
        text = f"{self.agent}/{self.number}/{len(self.acknowledged)}"
        body = {"text": text} | ({"conversation_id": self.conversation_id} if self.conversation_id else {})
        reply = await until_acknowledged(client, f"/agents/{self.agent}/message", body, f"chaos/{text}", 200)
        self.conversation_id = reply["conversation_id"]
        self.acknowledged.append((text, reply["text"]))

    async def go_on(self, client: httpx.AsyncClient, stop: asyncio.Event) -> None:
        """Talk until `stop`."""
        while not stop.is_set():
            await self.say(client)


@dataclass
class Errands:
    """Runs that nobody waits for, each with one call of a tool that counts. Several clients race for each key."""

    agent: str
    tool: str
    randomness: random.Random
    racers: int = 3
    begun: dict[str, str] = field(default_factory=dict[str, str])  # mark → run

    async def begin(self, client: httpx.AsyncClient) -> str:
        """One more; its run. All who race for it are told of the same one."""
        mark = f"errand-{len(self.begun)}"
        body = {"text": f"call {self.tool} {json.dumps({'mark': mark})}", "deadline_s": 120}
        path, key = f"/agents/{self.agent}/runs", f"chaos/{mark}"
        answers = await asyncio.gather(*(until_acknowledged(client, path, body, key, 202) for _ in range(self.racers)))
        [run_id] = {answer["run_id"] for answer in answers}
        self.begun[mark] = run_id
        return run_id

    async def go_on(self, client: httpx.AsyncClient, stop: asyncio.Event) -> None:
        """Begin runs until `stop`, and watch some of them."""
        while not stop.is_set():
            run_id = await self.begin(client)
            if self.randomness.random() < 0.5:
                await Watch(run_id).to_the_end(client)
            await asyncio.sleep(self.randomness.uniform(0.0, 0.2))


@dataclass
class Watch:
    """Somebody who follows a run, and comes back behind the last event that they heard."""

    run_id: str
    heard: list[str] = field(default_factory=list[str])
    ended: bool = False

    async def to_the_end(self, client: httpx.AsyncClient) -> None:
        """Hear everything that is stored of the run, each thing once, in order."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        while not self.ended:
            assert asyncio.get_running_loop().time() < deadline, f"run {self.run_id} never ended for who watched it"
            try:
                await self._listen(client)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_S)
        places = [int(event_id.rpartition(":")[2]) for event_id in self.heard]
        assert places == sorted(set(places)), f"{self.run_id}: {self.heard}"

    async def _listen(self, client: httpx.AsyncClient) -> None:
        headers = {"Last-Event-ID": self.heard[-1]} if self.heard else {}
        async with client.stream("GET", f"/api/v1/runs/{self.run_id}/events", headers=headers) as answer:
            if answer.status_code == 204:
                self.ended = True
                return
            if answer.status_code != 200:
                assert answer.status_code in _PASSING, answer.status_code
                await asyncio.sleep(_PAUSE_S)
                return
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    self.heard.append(line.removeprefix("id: "))
                if line in {"event: completed", "event: failed", "event: cancelled"}:
                    self.ended = True
