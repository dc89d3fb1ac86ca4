import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
BODY = {"name": "once", "system_prompt": "You help."}


async def test_the_same_request_under_the_same_key_has_one_effect_and_one_answer(caller: httpx.AsyncClient) -> None:
    async def create() -> httpx.Response:
        return await caller.post(
            "/api/v1/agents", json=BODY, params={"publish": "true"}, headers={"Idempotency-Key": "k1"}
        )

    answers = await asyncio.gather(*(create() for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 19
    assert (await caller.get("/api/v1/agents/once")).json()["generation"] == 1


async def test_another_request_under_the_same_key_is_refused(caller: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k2"}
    assert (await caller.post("/api/v1/agents", json=BODY, headers=key)).status_code == 201
    for call in (
        caller.post("/api/v1/agents", json={**BODY, "description": "other"}, headers=key),
        caller.post("/api/v1/agents", json=BODY, params={"publish": "true"}, headers=key),
        caller.post("/api/v1/agents/once/publish", headers=key),
        # A Host that would make one address of all paths (CVE-2026-48710).
        caller.post("/api/v1/agents/once/publish", headers={**key, "Host": "x#"}),
    ):
        answer = await call
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert (await caller.get("/api/v1/agents/once")).json()["generation"] == 0


async def test_publishing_twice_under_one_key_counts_once(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("counted")
    for key, generation in (("a", 1), ("a", 1), ("b", 2), ("a", 1)):
        answer = await caller.post("/api/v1/agents/counted/publish", headers={"Idempotency-Key": key})
        assert answer.json()["generation"] == generation
    for path, body in (("stop", {}), ("rollback", {"version": 1})):
        first, second = [
            await caller.post(f"/api/v1/agents/counted/{path}", json=body, headers={"Idempotency-Key": path})
            for _ in range(2)
        ]
        assert first.json() == second.json()
    assert (await caller.get("/api/v1/agents/counted")).json()["generation"] == 4


async def test_a_failed_request_leaves_its_key_free(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("once")
    key = {"Idempotency-Key": "k3"}
    assert (await caller.post("/api/v1/agents", json=BODY, headers=key)).status_code == 409
    assert (await caller.delete("/api/v1/agents/once")).status_code == 204
    assert (await caller.post("/api/v1/agents", json=BODY, headers=key)).status_code == 201


async def test_keys_of_two_owners_are_two_keys(caller: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    made = [
        (await one.post("/api/v1/agents", json=BODY, headers={"Idempotency-Key": "shared"})).json()
        for one in (caller, stranger)
    ]
    assert made[0]["id"] != made[1]["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\u00e9"])
async def test_a_key_that_can_not_be_used_is_told(caller: httpx.AsyncClient, key: str) -> None:
    answer = await caller.post("/api/v1/agents", json=BODY, headers={b"Idempotency-Key": key.encode()})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
