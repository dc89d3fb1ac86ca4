"""Introspection (RFC 7662) and revocation (RFC 7009)."""

import secrets
from typing import Any

import httpx
import pytest

from kgents_shared.testing.polling import eventually
from tests.external.app_clients import (
    CLIENTS,
    RUNTIME,
    Caller,
    Form,
    a_person,
    acting,
    claims_of,
    let_exchange,
    machine,
    shows,
    the_admin,
)
from tests.external.running_auth import RunningAuth

INACTIVE = {"active": False}


@pytest.fixture(scope="module")
async def ada(auth: RunningAuth) -> Caller:
    return await a_person(auth)


@pytest.fixture(scope="module")
async def made(ada: Caller) -> dict[str, Any]:
    return await ada.made(scopes=["clients:read"])


async def asked(auth: RunningAuth, token: str, by: Form, **more: str) -> dict[str, Any]:
    answer = await auth.client.post("/api/v1/auth/introspect", data={"token": token, **by, **more})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def revoked(auth: RunningAuth, token: str, by: Form | None = None, **more: str) -> httpx.Response:
    return await auth.client.post("/api/v1/auth/revoke", data={"token": token, **(by or {}), **more})


async def test_a_client_sees_its_own_token_and_nobody_elses(auth: RunningAuth, ada: Caller, made: dict[str, Any]):
    own = await machine(auth, made)
    claims = claims_of(own.token)
    found = await asked(auth, own.token, shows(made), token_type_hint="refresh_token")
    kept = {name: claims[name] for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "owner")}
    assert found == {"active": True, "token_type": "Bearer", "roles": [], **kept}
    service = (await auth.token(grant_type="client_credentials", **RUNTIME, audience="tools")).json()["access_token"]
    other = await machine(auth, await ada.made(scopes=["clients:read"]))
    for token in (ada.token, ada.refresh_token, service, other.token):
        assert await asked(auth, token, shows(made)) == INACTIVE


async def test_a_service_of_the_platform_sees_every_token(auth: RunningAuth, made: dict[str, Any]):
    ada = await a_person(auth, scope="keys:write agents:read")
    by_runtime = await acting(auth, ada.token, RUNTIME)
    service = (await auth.token(grant_type="client_credentials", **RUNTIME, audience="tools")).json()["access_token"]
    key = (await ada.asks("POST", "/api/v1/users/me/api-keys", json={"name": "k", "scopes": ["agents:read"]})).json()
    person = await asked(auth, ada.token, RUNTIME)
    assert (person["sub"], person["sid"], person["client_id"]) == (ada.id, claims_of(ada.token)["sid"], "kgents-cli")
    assert (await asked(auth, by_runtime.token, RUNTIME))["act"] == {"sub": "runtime"}
    assert (await asked(auth, service, RUNTIME))["aud"] == "tools"
    of_key = await asked(auth, key["key"], RUNTIME)
    assert (of_key["sub"], of_key["scope"], of_key["client_id"]) == (ada.id, "agents:read", "api-key")
    of_refresh = await asked(auth, ada.refresh_token, RUNTIME)
    assert (of_refresh["sub"], of_refresh["scope"]) == (ada.id, "agents:read keys:write")
    assert "token_type" not in of_refresh
    assert (await asked(auth, (await machine(auth, made)).token, RUNTIME))["active"] is True


async def test_whatever_is_not_good_is_only_inactive(auth: RunningAuth, made: dict[str, Any]):
    ada = await a_person(auth)
    await ada.asks("POST", "/api/v1/auth/logout", json={})
    head, payload, signature = ada.token.split(".")
    for token in (
        ada.token, ada.refresh_token, f"{head}.{payload}.{signature[::-1]}", "x", "a.b.c", "kgr_" + "x" * 43,
        "kg_" + "0" * 32 + "_" + "x" * 46, "x" * 8192, "eyJhbGciOiJub25lIn0." + payload + ".", "é",
        made["client_secret"],
    ):  # fmt: skip
        assert await asked(auth, token, RUNTIME) == INACTIVE, token


async def test_a_used_refresh_token_is_inactive_and_looking_at_it_ends_nothing(auth: RunningAuth):
    ada = await a_person(auth)
    newer = (await auth.token(grant_type="refresh_token", refresh_token=ada.refresh_token)).json()
    assert await asked(auth, ada.refresh_token, RUNTIME) == INACTIVE
    assert (await asked(auth, newer["refresh_token"], RUNTIME))["active"] is True
    again = await auth.token(grant_type="refresh_token", refresh_token=newer["refresh_token"])
    assert again.status_code == 200


@pytest.mark.parametrize("path", ["introspect", "revoke"])
async def test_who_asks_must_show_who_they_are(auth: RunningAuth, ada: Caller, made: dict[str, Any], path: str):
    place = f"/api/v1/auth/{path}"
    wrong = {"token": ada.token, **shows(made), "client_secret": "kgs_guess"}
    answers = [
        await auth.client.post(place, data=wrong),
        await auth.client.post(place, data={"token": ada.token, "client_id": made["client_id"]}),
        await auth.client.post(place, data={"token": ada.token}, headers={"Authorization": f"Bearer {ada.token}"}),
    ]
    assert [(one.status_code, one.json()["error"]) for one in answers] == [(401, "invalid_client")] * 3
    assert all(one.headers["www-authenticate"].startswith("Basic") for one in answers)
    empty = await auth.client.post(place, data=RUNTIME)
    as_json = await auth.client.post(place, json={"token": ada.token})
    assert [(one.status_code, one.json()["error"]) for one in (empty, as_json)] == [(400, "invalid_request")] * 2


async def test_introspection_is_not_for_people(auth: RunningAuth, ada: Caller):
    answer = await auth.client.post("/api/v1/auth/introspect", data={"token": ada.token})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_revoked_refresh_token_ends_its_session(auth: RunningAuth):
    ada = await a_person(auth)
    answer = await revoked(auth, ada.refresh_token, token_type_hint="refresh_token")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (await auth.token(grant_type="refresh_token", refresh_token=ada.refresh_token)).status_code == 400
    await ada.is_refused()


async def test_a_revoked_access_token_is_refused_and_no_other_is(auth: RunningAuth, made: dict[str, Any]):
    first, second = await machine(auth, made), await machine(auth, made)
    assert (await revoked(auth, first.token, shows(made), token_type_hint="nonsense")).status_code == 200
    assert await asked(auth, first.token, RUNTIME) == INACTIVE

    async def refused() -> bool:
        return (await first.asks("GET", CLIENTS)).status_code == 401

    await eventually(refused)
    assert (await second.asks("GET", CLIENTS)).status_code == 404  # a machine has no applications


async def test_who_acts_ends_its_own_token_and_not_the_persons(auth: RunningAuth):
    ada = await a_person(auth)
    made = await ada.made(scopes=["agents:read"])
    await let_exchange(await the_admin(auth), made["client_id"])
    bot = await acting(auth, ada.token, shows(made))
    assert (await revoked(auth, ada.token, shows(made))).json()["error"] == "unauthorized_client"
    assert (await revoked(auth, bot.token, shows(made))).status_code == 200
    await bot.is_refused()
    assert (await ada.asks("GET", "/api/v1/users/me")).status_code == 200


async def test_nobody_ends_anothers_token(auth: RunningAuth, made: dict[str, Any]):
    ada = await a_person(auth)
    bot = await machine(auth, made)
    for token, by in ((ada.token, RUNTIME), (ada.refresh_token, shows(made)), (bot.token, RUNTIME), (bot.token, None)):
        answer = await revoked(auth, token, by)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert (await asked(auth, bot.token, RUNTIME))["active"] is True
    assert (await asked(auth, ada.refresh_token, RUNTIME))["active"] is True


async def test_what_is_no_token_is_no_fault_and_a_key_is_not_ended_here(auth: RunningAuth, ada: Caller):
    for token in ("x", "a.b.c", "kgr_" + secrets.token_urlsafe(32), "x" * 8192):
        for by in (None, RUNTIME):
            answer = await revoked(auth, token, by)
            assert (answer.status_code, answer.content) == (200, b"")
    over = await a_person(auth)
    await over.asks("POST", "/api/v1/auth/logout", json={})
    assert (await revoked(auth, over.token)).status_code == 200
    key = (await ada.asks("POST", "/api/v1/users/me/api-keys", json={"name": "k", "scopes": ["agents:read"]})).json()
    answer = await revoked(auth, key["key"])
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")
    assert (await asked(auth, key["key"], RUNTIME))["active"] is True
