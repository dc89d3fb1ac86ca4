"""Registering and logging in over HTTP."""

import asyncio

import pytest
from jose import jwt

from kgents_shared.auth import ROLE_SCOPES
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, ISSUER, PASSWORD, RunningAuth


async def test_a_registered_person_logs_in_and_gets_a_token_pair_that_no_cache_keeps(auth: RunningAuth):
    email = await auth.register()
    answer = await auth.client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 900
    assert answer.headers["cache-control"] == "no-store"


async def test_a_persons_token_says_what_rfc_9068_asks_and_has_a_developers_scopes(auth: RunningAuth):
    email = await auth.register()
    tokens = await auth.log_in(email)
    header = jwt.get_unverified_header(tokens["access_token"])
    claims = jwt.get_unverified_claims(tokens["access_token"])
    user_id = (await auth.rows("SELECT id FROM identity.users WHERE email = :email", email=email))[0][0]
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": auth.parts.keys.jwks()["keys"][0]["kid"]}
    assert claims["iss"] == ISSUER
    assert claims["sub"] == str(user_id)
    assert claims["aud"] == "kgents"
    assert claims["client_id"] == "kgents-cli"
    assert claims["roles"] == ["developer"]
    assert set(claims["scope"].split()) == ROLE_SCOPES["developer"]
    assert claims["exp"] - claims["iat"] == 900
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "roles", "epoch", "sid"}


async def test_every_token_has_an_id_of_its_own(auth: RunningAuth):
    email = await auth.register()
    pairs = [await auth.log_in(email) for _ in range(3)]
    assert len({jwt.get_unverified_claims(pair["access_token"])["jti"] for pair in pairs}) == 3


async def test_the_first_boots_admin_has_every_scope(auth: RunningAuth):
    tokens = await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    claims = jwt.get_unverified_claims(tokens["access_token"])
    assert "admin" in claims["roles"]
    assert set(claims["scope"].split()) == ROLE_SCOPES["admin"]


async def test_an_address_is_the_same_in_any_case_and_with_space_around_it(auth: RunningAuth):
    email = await auth.register("Grace.Hopper@Example.ORG")
    await auth.log_in(" grace.hopper@example.org ")
    assert await auth.rows("SELECT 1 FROM identity.users WHERE email = :email", email=email) == []
    found = await auth.rows("SELECT 1 FROM identity.users WHERE email = :email", email=email.lower())
    assert len(found) == 1


async def test_a_login_narrowed_to_a_scope_stays_narrow_when_it_is_refreshed(auth: RunningAuth):
    tokens = await auth.log_in(scope="agents:read runs:read")
    assert jwt.get_unverified_claims(tokens["access_token"])["scope"] == "agents:read runs:read"
    answer = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert jwt.get_unverified_claims(answer.json()["access_token"])["scope"] == "agents:read runs:read"


@pytest.mark.parametrize("scope", ["users:write", "agents:read users:write", "made:up", " "])
async def test_a_login_that_asks_for_more_than_the_role_brings_is_refused(auth: RunningAuth, scope: str):
    email = await auth.register()
    answer = await auth.client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD, "scope": scope})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "scope"]


@pytest.mark.parametrize("field", ["role", "roles", "is_admin", "owner_id", "version", "id", "scopes", "disabled_at"])
@pytest.mark.parametrize("path", ["register", "login", "refresh"])
async def test_a_field_that_is_not_the_callers_to_set_is_refused(auth: RunningAuth, path: str, field: str):
    body = {
        "register": {"email": "mallory@example.org", "password": PASSWORD, "name": "Mallory"},
        "login": {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD},
        "refresh": {"refresh_token": "kgr_x"},
    }[path]
    answer = await auth.client.post(f"/api/v1/auth/{path}", json={**body, field: "admin"})
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["body", field]]


async def test_all_faults_of_a_registration_are_told_at_once_and_none_repeats_the_password(auth: RunningAuth):
    body = {"email": "nobody", "password": "sevench", "nmae": "Ada"}
    answer = await auth.client.post("/api/v1/auth/register", json=body)
    faults = {fault["loc"][-1]: fault for fault in answer.json()["errors"]}
    assert answer.status_code == 422
    assert set(faults) == {"email", "password", "name", "nmae"}
    assert faults["nmae"]["hint"] == '"nmae": did you mean "name"?'
    assert "sevench" not in answer.text


@pytest.mark.parametrize(
    "email",
    ["", "no-at", "a@", "@b.org", "a b@example.org", "a@exa mple.org", "a@b@c.org", "Ada <a@example.org>", "a\0@b.org"],
)
async def test_what_is_no_address_is_refused(auth: RunningAuth, email: str):
    body = {"email": email, "password": PASSWORD, "name": "Ada"}
    assert (await auth.client.post("/api/v1/auth/register", json=body)).status_code == 422


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "line\nbreak", "x" * 201, "\u202egnp.exe"])
async def test_a_name_that_no_page_could_show_is_refused(auth: RunningAuth, name: str):
    body = {"email": "ada@example.org", "password": PASSWORD, "name": name}
    assert (await auth.client.post("/api/v1/auth/register", json=body)).status_code == 422


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000"])
@pytest.mark.parametrize("field", ["email", "password"])
async def test_text_that_no_database_takes_is_an_ordinary_refusal_at_login(auth: RunningAuth, field: str, text: str):
    body = '{"email": "x@example.org", "password": "y"}'.replace('"x@' if field == "email" else '"y', f'"{text}')
    answer = await auth.client.post("/api/v1/auth/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {401, 422}


async def test_a_disabled_person_gets_no_token_and_keeps_none(auth: RunningAuth):
    email = await auth.register()
    tokens = await auth.log_in(email)
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE email = :email", email=email)
    login = await auth.client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    refresh = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert (login.status_code, login.json()["code"]) == (403, "account_disabled")
    assert refresh.status_code == 401


async def test_a_role_that_was_taken_away_is_gone_from_the_next_token(auth: RunningAuth):
    email = await auth.register()
    tokens = await auth.log_in(email)
    await auth.run(
        "UPDATE identity.user_roles SET role = 'viewer' FROM identity.users WHERE id = user_id AND email = :email",
        email=email,
    )
    answer = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert set(jwt.get_unverified_claims(answer.json()["access_token"])["scope"].split()) == ROLE_SCOPES["viewer"]


async def test_registering_again_gives_back_no_role_and_changes_no_password(auth: RunningAuth):
    email = await auth.register()
    await auth.run(
        "DELETE FROM identity.user_roles USING identity.users WHERE id = user_id AND email = :email", email=email
    )
    await auth.register(email, password="another password than before")
    tokens = await auth.log_in(email)
    assert jwt.get_unverified_claims(tokens["access_token"])["scope"] == ""
    answer = await auth.client.post(
        "/api/v1/auth/login", json={"email": email, "password": "another password than before"}
    )
    assert answer.status_code == 401


async def test_of_many_registrations_of_one_address_at_once_one_is_stored(auth: RunningAuth):
    email = "racing@example.org"
    await asyncio.gather(*(auth.register(email) for _ in range(20)))
    assert len(await auth.rows("SELECT 1 FROM identity.users WHERE email = :email", email=email)) == 1
    await auth.log_in(email)
