"""Guessing is slowed down for who guesses, and for nobody else."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from nats.js.api import DeliverPolicy
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from auth_service.limits.failures import Failure, Failures
from auth_service.limits.service import GUESSES_AT_ONE
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from kgents_shared.db import Database
from kgents_shared.testing.polling import eventually
from tests.external.cuttable import cuttable
from tests.external.running_auth import ISSUER, PASSWORD, RUNTIME_SECRET, RunningAuth, is_healthy, running
from tests.external.subscriptions import all_waiting, listening

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
        began = time.monotonic()
        for _ in range(2):
            answers += await asyncio.gather(*(guess(stranger, email) for _ in range(50)))
        given_back = (time.monotonic() - began) / GUESSES_AT_ONE.every_s
        heard = sum(answer.status_code == 401 for answer in answers)
        assert GUESSES_AT_ONE.burst <= heard <= GUESSES_AT_ONE.burst + given_back
        assert sum(answer.status_code == 429 for answer in answers) == 100 - heard
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


@pytest.fixture(scope="module")
async def strict(auth_settings: AuthSettings) -> AsyncGenerator[RunningAuth]:
    few = {"limit_failures_burst": 3, "limit_sign_ups_burst": 2}
    async with running(auth_settings.model_copy(update=few)) as service:
        await eventually(lambda: is_healthy(service))
        yield service


async def test_who_guesses_at_many_accounts_is_stopped_and_who_is_known_there_is_not(
    auth: RunningAuth, strict: RunningAuth, address: str
):
    email, other = await auth.register(), await auth.register()
    async with coming_from(strict, address) as person:
        assert (await guess(person, email, PASSWORD)).status_code == 200
        statuses = [(await guess(person, f"{secrets.token_hex(8)}@example.org")).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert (await guess(person, other, PASSWORD)).status_code == 429
        for _ in range(2):
            assert (await guess(person, email, PASSWORD)).status_code == 200
        own = [(await guess(person, email)).status_code for _ in range(GUESSES_AT_ONE.burst + 1)]
        assert own == [401] * GUESSES_AT_ONE.burst + [429]


async def test_who_signs_up_without_end_is_stopped(strict: RunningAuth, address: str):
    body = {"password": PASSWORD, "name": "Ada"}
    async with coming_from(strict, address) as stranger:
        made = [
            await stranger.post("/api/v1/auth/register", json={**body, "email": f"{secrets.token_hex(8)}@x.org"})
            for _ in range(3)
        ]
        assert [answer.status_code for answer in made] == [202, 202, 429]
        assert int(made[-1].headers["Retry-After"]) >= 1


WRONG_SECRETS = {
    "client": ("/token", {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": "x"}, 401),
    "grant": ("/token", {"grant_type": "refresh_token", "refresh_token": "kgr_x"}, 400),
    "refresh": ("/refresh", {"refresh_token": "kgr_x"}, 401),
    "reset": ("/password/reset/confirm", {"token": "x", "password": PASSWORD}, 422),
    "verify": ("/email/verify", {"token": "x"}, 422),
}


@pytest.mark.parametrize("kind", WRONG_SECRETS)
async def test_wrong_secrets_are_slowed_down_and_right_ones_never(
    auth: RunningAuth, strict: RunningAuth, address: str, kind: str
):
    path, body, status = WRONG_SECRETS[kind]
    given: dict[str, Any] = {"data": body} if path == "/token" else {"json": body}
    right = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": RUNTIME_SECRET}
    tokens = await auth.log_in()
    async with coming_from(strict, address) as stranger:
        wrong = [await stranger.post(f"/api/v1/auth{path}", **given) for _ in range(4)]
        assert [answer.status_code for answer in wrong] == [status] * 3 + [429]
        granted = await stranger.post("/api/v1/auth/token", data={**right, "audience": "tools"})
        refreshed = await stranger.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert (granted.status_code, refreshed.status_code) == (200, 200)


async def test_behind_a_proxy_of_ours_each_caller_is_counted_alone(auth_settings: AuthSettings):
    proxied = auth_settings.model_copy(update={"trusted_proxies": [ip_network("10.1.0.0/16")]})
    async with running(proxied) as service, coming_from(service, "10.1.2.3") as proxy:
        await eventually(lambda: is_healthy(service))
        email = await service.register()
        statuses: list[int] = []
        for number in range(GUESSES_AT_ONE.burst + 1):
            # What the caller wrote itself stands before what the proxy saw.
            proxy.headers["X-Forwarded-For"] = f"203.0.113.{number}, 198.18.0.1"
            statuses.append((await guess(proxy, email)).status_code)
        assert statuses == [401] * GUESSES_AT_ONE.burst + [429]
        proxy.headers["X-Forwarded-For"] = "198.18.0.2"
        assert (await guess(proxy, email, PASSWORD)).status_code == 200


async def test_a_database_that_is_away_lets_nobody_in(auth_settings: AuthSettings):
    async with cuttable(auth_settings.database_url.get_secret_value()) as (url, cut):
        settings = auth_settings.model_copy(update={"database_url": SecretStr(url)})
        async with running(settings) as service:
            await eventually(lambda: is_healthy(service))
            email = await service.register()
            assert (await guess(service.client, email, PASSWORD)).status_code == 200
            await cut()
            for answer in (
                await guess(service.client, email, PASSWORD),
                await service.client.post("/api/v1/auth/refresh", json={"refresh_token": "x"}),
                await service.client.post("/api/v1/auth/password/reset", json={"email": email}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
                assert answer.headers["Retry-After"]


async def test_what_is_counted_in_full_again_is_swept_and_the_rest_stays(auth: RunningAuth):
    full, kept = secrets.token_hex(8), secrets.token_hex(8)
    async with auth.parts.storage.transaction() as work:
        await work.limits.take(full, burst=1, every_s=0.000001)
        await work.limits.take(kept, burst=1, every_s=60)
    async with auth.parts.storage.transaction() as work:
        await work.limits.delete_full()
    assert await auth.rows("SELECT key FROM identity.limits WHERE key IN (:full, :kept)", full=full, kept=kept) == [
        (kept,)
    ]


async def told(auth: RunningAuth, by: Failures | None = None) -> list[dict[str, Any]]:
    """What was counted until now, as it is told."""
    failures = by or auth.parts.failures
    await auth.all_is_sent()
    jetstream = await auth.app.state.event_bus.jetstream()
    subscriptions = [
        await listening(jetstream, f"kgents.identity.{name}", DeliverPolicy.NEW)
        for name in ("user.login_failed", "token.refused", "limit.reached")
    ]
    await failures.tell_now()
    await auth.all_is_sent()
    return [json.loads(message.data) for listener in subscriptions for message in await all_waiting(listener)]


async def test_a_flood_is_told_in_a_few_events_which_say_how_often_and_name_nobody(auth: RunningAuth, address: str):
    email, nobody = await auth.register(), f"{secrets.token_hex(8)}@example.org"
    ((user_id,),) = await auth.rows("SELECT id::text FROM identity.users WHERE email = :email", email=email)
    token = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": "wrong-secret"}
    await told(auth)
    async with coming_from(auth, address) as stranger:
        await asyncio.gather(*(guess(stranger, email) for _ in range(60)))
        for _ in range(3):
            await guess(stranger, nobody)
            await stranger.post("/api/v1/auth/token", data=token)
            await stranger.post("/api/v1/auth/token", data=token | {"client_id": nobody})
    events = await told(auth)
    text = json.dumps(events)
    for secret in (email, nobody, WRONG, "wrong-secret"):
        assert secret not in text
    assert {(event["type"], json.dumps(event["data"], sort_keys=True)) for event in events} >= {
        ("user.login_failed", f'{{"failures": 10, "user_id": "{user_id}", "what": "login"}}'),
        ("limit.reached", f'{{"network": "{address}", "refusals": 50, "what": "login"}}'),
        ("token.refused", '{"client_id": "runtime", "failures": 3, "what": "client"}'),
        ("token.refused", '{"client_id": null, "failures": 3, "what": "client"}'),
        ("user.login_failed", '{"failures": 3, "user_id": null, "what": "login"}'),
    }
    for (key,) in await auth.rows("SELECT key FROM identity.limits"):
        assert "@" not in key
        assert address not in key


async def test_more_than_can_be_told_apart_is_told_as_one(auth: RunningAuth):
    failures = Failures(auth.parts.storage)
    for number in range(3000):
        failures.note(Failure("limit", who="login", network=f"2001:db8:{number:x}::/64"))
    refusals = [event["data"]["refusals"] for event in await told(auth, by=failures)]
    assert (len(refusals), sum(refusals)) == (201, 3000)
    assert await told(auth, by=failures) == []


async def test_what_cannot_be_told_now_is_told_later(auth: RunningAuth, auth_settings: AuthSettings):
    async with cuttable(auth_settings.database_url.get_secret_value()) as (url, cut):
        database = Database(url)
        failures = Failures(Storage(database, lambda: None))
        failures.note(Failure("client", who="runtime"))
        mend = await cut()
        with pytest.raises(DBAPIError):
            await failures.tell_now()
        await mend()
        assert [event["data"]["failures"] for event in await told(auth, by=failures)] == [1]
        await database.close()
