"""POST /auth/token as RFC 6749 and RFC 8707 have it."""

import base64
from typing import Any
from urllib.parse import quote_plus

import pytest
from jose import jwt

from kgents_shared.auth import ROLE_SCOPES, StaticKeySource, TokenVerifier
from kgents_shared.testing.tokens import only_keys
from tests.external.running_auth import ISSUER, RUNTIME_SECRET, TOOLS_SECRET, RunningAuth

RUNTIME = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": RUNTIME_SECRET}


def basic(client_id: str, secret: str) -> dict[str, str]:
    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(joined.encode()).decode()}


async def test_a_service_gets_a_token_for_the_service_that_it_names(auth: RunningAuth):
    answer = await auth.token(**RUNTIME, audience="tools")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"] == "Bearer"
    claims = jwt.get_unverified_claims(body["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("runtime", "runtime", "tools")


async def test_a_secret_with_signs_in_it_works_by_header_and_by_form(auth: RunningAuth):
    form = {"grant_type": "client_credentials", "audience": "runtime"}
    by_header = await auth.client.post("/api/v1/auth/token", data=form, headers=basic("tools", TOOLS_SECRET))
    by_form = await auth.token(**form, client_id="tools", client_secret=TOOLS_SECRET)
    assert by_header.status_code == by_form.status_code == 200


@pytest.mark.parametrize(
    "audience", [None, "", "kgents", "nowhere", "tools ", "TOOLS", "runtime tools", "http://tools", "x" * 1999]
)
async def test_a_service_without_a_proper_audience_gets_invalid_target(auth: RunningAuth, audience: str | None):
    answer = await auth.token(**RUNTIME, **({} if audience is None else {"audience": audience}))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_service_can_ask_for_no_scope(auth: RunningAuth):
    answer = await auth.token(**RUNTIME, audience="tools", scope="agents:read")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    "change", [{"client_secret": "wrong"}, {"client_secret": ""}, {"client_id": "nobody"}, {"client_id": ""},
               {"client_id": "tools"}, {"client_id": "app_x"}, {"client_id": "' OR 1=1 --"}], ids=str,
)  # fmt: skip
async def test_a_client_that_is_not_who_it_says_gets_a_401_with_a_challenge(auth: RunningAuth, change: dict[str, str]):
    answer = await auth.token(**{**RUNTIME, "audience": "tools", **change})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"] == 'Basic realm="kgents"'
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"no colon").decode(),
               "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "Bearer abc", "Basic cnVudGltZTo=",
               "Basic " + base64.b64encode(b"%00:x").decode(), "Basic " + base64.b64encode(b"%ff%fe:%ff").decode()],
)  # fmt: skip
async def test_a_header_that_says_nobody_is_an_invalid_client(auth: RunningAuth, header: str):
    form = {"grant_type": "client_credentials", "audience": "tools"}
    answer = await auth.client.post("/api/v1/auth/token", data=form, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_two_ways_of_authentication_at_once_are_refused(auth: RunningAuth):
    answer = await auth.client.post(
        "/api/v1/auth/token", data={**RUNTIME, "audience": "tools"}, headers=basic("runtime", RUNTIME_SECRET)
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_header_and_a_form_that_name_two_clients_are_refused(auth: RunningAuth):
    form = {"grant_type": "client_credentials", "audience": "tools", "client_id": "tools"}
    answer = await auth.client.post("/api/v1/auth/token", data=form, headers=basic("runtime", RUNTIME_SECRET))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=authorization_code", "unsupported_grant_type"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=unknown", "invalid_grant"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&audience=tools&audience=runtime", "invalid_request"),
        ("grant_type=client_credentials&client_id=%00&client_secret=x", "invalid_request"),
        ("grant_type=client_credentials&client_id=%ff&client_secret=x", "invalid_request"),
        ("grant_type=client_credentials&client_id=a&client_secret=" + "x" * 3000, "invalid_request"),
        ("&".join(f"p{number}=1" for number in range(200)), "invalid_request"),
        ("grant_type=\xe9", "invalid_request"),
    ],
    ids=range(13),
)
async def test_a_bad_request_is_told_as_rfc_6749_says(auth: RunningAuth, body: str, error: str):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await auth.client.post("/api/v1/auth/token", content=body.encode("latin-1"), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "multipart/form-data; boundary=x"])
async def test_only_a_form_is_taken(auth: RunningAuth, content_type: str):
    answer = await auth.client.post(
        "/api/v1/auth/token", content=b"grant_type=client_credentials", headers={"content-type": content_type}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_parameters_in_the_query_are_not_looked_at(auth: RunningAuth):
    answer = await auth.client.post("/api/v1/auth/token", params={**RUNTIME, "audience": "tools"}, data={"x": "y"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_person_refreshes_here_too_and_may_narrow_this_one_token(auth: RunningAuth):
    tokens = await auth.log_in()
    narrow = await auth.token(
        grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope="agents:read", client_id="kgents-cli"
    )
    assert narrow.status_code == 200
    assert narrow.json()["scope"] == "agents:read"
    wide = await auth.token(grant_type="refresh_token", refresh_token=narrow.json()["refresh_token"])
    assert set(wide.json()["scope"].split()) == ROLE_SCOPES["developer"]
    replay = await auth.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    dead = await auth.token(grant_type="refresh_token", refresh_token=wide.json()["refresh_token"])
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")


async def test_asking_for_too_much_or_as_another_client_does_not_use_the_refresh_token_up(auth: RunningAuth):
    tokens = await auth.log_in()
    more = await auth.token(
        grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope="agents:read users:write"
    )
    foreign = await auth.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id="runtime")
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
    answer = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 200


async def an_application(auth: RunningAuth, roles: frozenset[str]) -> tuple[str, str, str]:
    """Id, secret and owner's address of an application."""
    email = await auth.register()
    made = await auth.application((await auth.log_in(email))["access_token"])
    for role in roles:
        await auth.run("INSERT INTO identity.app_client_roles VALUES (:id, :role)", id=made["client_id"], role=role)
    return made["client_id"], made["client_secret"], email


async def test_an_application_gets_a_machines_token_with_the_scopes_of_its_roles(auth: RunningAuth):
    client_id, secret, _ = await an_application(auth, frozenset({"viewer"}))
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = await auth.token(**form)
    assert set(answer.json()["scope"].split()) == ROLE_SCOPES["viewer"]
    verifier = TokenVerifier(ISSUER, only_keys(StaticKeySource(auth.parts.keys.jwks()["keys"])), "tools")
    principal = await verifier.verify(answer.json()["access_token"])
    assert (principal.kind, principal.subject) == ("machine", client_id)
    assert (await auth.token(**form, scope="runs:read")).json()["scope"] == "runs:read"
    assert (await auth.token(**form, scope="agents:write")).json()["error"] == "invalid_scope"
    assert (await auth.token(**form, audience="kgents")).status_code == 200


async def test_an_application_gets_no_token_that_opens_a_services_inside(auth: RunningAuth):
    client_id, secret, _ = await an_application(auth, frozenset({"developer"}))
    answer = await auth.token(
        grant_type="client_credentials", client_id=client_id, client_secret=secret, audience="tools"
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_an_application_of_a_disabled_person_is_nobody(auth: RunningAuth):
    client_id, secret, email = await an_application(auth, frozenset({"viewer"}))
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE email = :email", email=email)
    answer = await auth.token(grant_type="client_credentials", client_id=client_id, client_secret=secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_only_hashes_of_client_secrets_are_stored(auth: RunningAuth):
    _, secret, _ = await an_application(auth, frozenset({"viewer"}))
    rows: list[tuple[Any, ...]] = await auth.rows("SELECT c::text FROM identity.app_clients c")
    rows += await auth.rows("SELECT s::text FROM identity.app_client_secrets s")
    hidden = [secret, RUNTIME_SECRET, TOOLS_SECRET]
    hidden += [value.encode().hex() for value in hidden]
    assert [row for row in rows if any(value in row[0] for value in hidden)] == []
