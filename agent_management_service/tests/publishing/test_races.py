"""Changes of one agent happen one after another, whoever comes at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
RACERS = 30


async def test_of_racers_for_one_name_one_gets_it(caller: httpx.AsyncClient) -> None:
    async def create(number: int) -> int:
        body = {"name": "wanted", "system_prompt": f"Racer {number}."}
        return (await caller.post("/api/v1/agents", json=body, params={"publish": str(number % 2 == 0)})).status_code

    statuses = Counter(await asyncio.gather(*(create(number) for number in range(RACERS))))
    assert statuses == {201: 1, 409: RACERS - 1}


async def test_racing_publishes_make_one_version_and_count_every_generation(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("busy")
    answers = await asyncio.gather(*(caller.post("/api/v1/agents/busy/publish") for _ in range(RACERS)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["generation"] for answer in answers) == list(range(1, RACERS + 1))
    assert {answer.json()["version"] for answer in answers} == {1}


async def test_publishing_races_with_edits_stops_and_a_delete_without_a_fault(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("torn", publish=True)
    path = "/api/v1/agents/torn"
    edits = [caller.put(path, json={"name": "torn", "system_prompt": f"{number}."}) for number in range(8)]
    publishes = [caller.post(f"{path}/publish") for _ in range(8)]
    stops = [caller.post(f"{path}/stop") for _ in range(8)]
    mixed = [call for three in zip(edits, publishes, stops, strict=True) for call in three]
    answers = await asyncio.gather(*mixed[:12], caller.delete(path), *mixed[12:])
    assert {answer.status_code for answer in answers} <= {200, 204, 404}
    assert [answer.status_code for answer in answers].count(204) == 1
    assert (await caller.get(path)).status_code == 404
