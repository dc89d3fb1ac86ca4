"""Guessing is slowed down for who guesses, and for nobody else."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from auth_service.limits.service import GUESSES_AT_ONE
from auth_service.settings import AuthSettings
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ISSUER, PASSWORD, RUNTIME_SECRET, RunningAuth, is_healthy, running

WRONG = "a guess"
LOGIN = "/api/v1/auth/login"


@asynccontextmanager
async def coming_from(auth: RunningAuth, address: str) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(auth.app, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


async def guess(client: httpx.AsyncClient, email: str, password: str = WRONG) -> httpx.Response:
    return await client.post(LOGIN, json={"email": email, "password": password})


@pytest.fixture
def address() -> str:
    return f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(256)}"


async def test_a_stranger_who_guesses_is_stopped_and_the_owner_comes_in(auth: RunningAuth, address: str):
    email = await auth.register()
    async with coming_from(auth, address) as stranger, coming_from(auth, "203.0.113.9") as owner:
        answers: list[httpx.Response] = []
        for _ in range(6):
            answers += await asyncio.gather(*(guess(stranger, email) for _ in range(50)))
        assert sum(answer.status_code == 401 for answer in answers) == GUESSES_AT_ONE.burst
        assert sum(answer.status_code == 429 for answer in answers) == 300 - GUESSES_AT_ONE.burst
        assert (await guess(stranger, email, PASSWORD)).status_code == 429
        assert (await guess(owner, email, PASSWORD)).status_code == 200


async def test_unknown_addresses_are_counted_like_known_ones(auth: RunningAuth, address: str):
    nobody = f"{secrets.token_hex(8)}@example.org"
    async with coming_from(auth, address) as stranger:
        statuses = [(await guess(stranger, nobody)).status_code for _ in range(GUESSES_AT_ONE.burst + 1)]
    assert statuses == [401] * GUESSES_AT_ONE.burst + [429]


async def test_who_waits_as_long_as_was_said_comes_in(auth: RunningAuth, address: str):
    email = await auth.register()
    async with coming_from(auth, address) as person:
        for _ in range(GUESSES_AT_ONE.burst):
            await guess(person, email)
        refused = await guess(person, email)
        wait_s = int(refused.headers["Retry-After"])
        assert 0 < wait_s <= GUESSES_AT_ONE.every_s
        await auth.run("UPDATE identity.limits SET full_at = full_at - make_interval(secs => :wait)", wait=wait_s)
        assert (await guess(person, email, PASSWORD)).status_code == 200


async def test_logging_in_often_costs_nothing(auth: RunningAuth, address: str):
    email = await auth.register()
    async with coming_from(auth, address) as person:
        for _ in range(GUESSES_AT_ONE.burst + 5):
            assert (await guess(person, email, PASSWORD)).status_code == 200


async def test_one_sites_ipv6_addresses_are_one(auth: RunningAuth):
    email, site = await auth.register(), f"2001:db8:{secrets.token_hex(2)}:1"
    for host in range(GUESSES_AT_ONE.burst):
        async with coming_from(auth, f"{site}::{host:x}") as stranger:
            assert (await guess(stranger, email)).status_code == 401
    async with coming_from(auth, f"{site}:ffff::1") as stranger:
        assert (await guess(stranger, email)).status_code == 429


async def test_a_forwarded_address_that_nobody_vouches_for_changes_nothing(auth: RunningAuth, address: str):
    email = await auth.register()
    async with coming_from(auth, address) as stranger:
        for number in range(GUESSES_AT_ONE.burst):
            await guess(stranger, email)
            stranger.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        assert (await guess(stranger, email)).status_code == 429


async def test_mails_to_one_address_are_few_whoever_asks(auth: RunningAuth):
    email, path = await auth.register(), "/api/v1/auth/password/reset"
    statuses: list[int] = []
    for number in range(4):
        async with coming_from(auth, f"203.0.113.{number}") as stranger:
            statuses.append((await stranger.post(path, json={"email": email})).status_code)
    assert statuses == [202, 202, 202, 429]


async def test_replicas_count_together(auth: RunningAuth, auth_settings: AuthSettings, address: str):
    email = await auth.register()
    async with running(auth_settings) as second:
        await eventually(lambda: is_healthy(second))
        for service in (auth, second) * (GUESSES_AT_ONE.burst // 2):
            async with coming_from(service, address) as stranger:
                assert (await guess(stranger, email)).status_code == 401
        async with coming_from(second, address) as stranger:
            assert (await guess(stranger, email)).status_code == 429


async def test_a_network_that_guesses_at_many_accounts_or_signs_up_without_end_is_stopped(auth_settings: AuthSettings):
    few = {"limit_failures_burst": 3, "limit_sign_ups_burst": 2}
    async with running(auth_settings.model_copy(update=few)) as auth:
        await eventually(lambda: is_healthy(auth))
        async with coming_from(auth, f"192.0.2.{secrets.randbelow(256)}") as stranger:
            statuses = [(await guess(stranger, f"{secrets.token_hex(8)}@example.org")).status_code for _ in range(4)]
            assert statuses == [401, 401, 401, 429]
            client = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": RUNTIME_SECRET}
            for _ in range(5):
                right = await stranger.post("/api/v1/auth/token", data={**client, "audience": "tools"})
                assert right.status_code == 200
            wrong = [await stranger.post("/api/v1/auth/token", data={**client, "client_secret": "x"}) for _ in range(4)]
            assert [answer.status_code for answer in wrong] == [401, 401, 401, 429]
            body = {"password": PASSWORD, "name": "Ada"}
            made = [
                (await stranger.post("/api/v1/auth/register", json={**body, "email": f"{secrets.token_hex(8)}@x.org"}))
                for _ in range(3)
            ]
            assert [answer.status_code for answer in made] == [202, 202, 429]


async def test_a_flood_is_told_once_and_names_nobody(auth: RunningAuth, address: str):
    email = await auth.register()
    jetstream = await auth.app.state.event_bus.jetstream()
    subscription = await jetstream.pull_subscribe("kgents.identity.limit.reached", stream="KGENTS")
    async with coming_from(auth, address) as stranger:
        await asyncio.gather(*(guess(stranger, email) for _ in range(60)))
    (message,) = await subscription.fetch(1, timeout=10)
    assert email.encode() not in message.data
    assert address.encode() not in message.data
    for (key,) in await auth.rows("SELECT key FROM identity.limits"):
        assert email not in key
        assert address not in key
