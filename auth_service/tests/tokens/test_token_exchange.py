"""Token exchange (RFC 8693): acting for a person, with no more than both may do, and no longer than either is there."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kgents_shared.testing.polling import eventually
from tests.external.app_clients import (
    ACCESS_TOKEN,
    EXCHANGE,
    RUNTIME,
    Caller,
    Form,
    a_person,
    acting,
    claims_of,
    exchange,
    let_exchange,
    machine,
    shows,
    the_admin,
)
from tests.external.running_auth import PASSWORD, TOOLS_SECRET, RunningAuth

TOOLS: Form = {"client_id": "tools", "client_secret": TOOLS_SECRET}


@dataclass
class Acting:
    """A person, and an application of somebody else's that may act for people with two scopes."""

    ada: Caller
    owner: Caller
    made: dict[str, Any]

    @property
    def app(self) -> Form:
        return shows(self.made)


async def an_actor(auth: RunningAuth, owner: Caller, scopes: list[str]) -> dict[str, Any]:
    made = await owner.made(scopes=scopes)
    await let_exchange(await the_admin(auth), made["client_id"])
    return made


@pytest.fixture(scope="module")
async def people(auth: RunningAuth) -> Acting:
    ada, owner = await a_person(auth), await a_person(auth)
    return Acting(ada, owner, await an_actor(auth, owner, ["agents:read", "runs:read"]))


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


async def test_a_service_acts_for_a_person_with_their_token(auth: RunningAuth, people: Acting):
    answer = await exchange(auth, people.ada.token, RUNTIME)
    body = answer.json()
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert answer.headers["cache-control"] == "no-store"
    subject, got = claims_of(people.ada.token), claims_of(body["access_token"])
    for claim in ("iss", "sub", "aud", "sid", "epoch", "scope"):
        assert got[claim] == subject[claim], claim
    assert (got["act"], got["client_id"], got["roles"]) == ({"sub": "runtime"}, "runtime", [])
    assert got["jti"] != subject["jti"]
    assert got["exp"] <= subject["exp"]
    assert 0 < body["expires_in"] <= got["exp"] - time.time() + 1
    principal = await auth.app.state.token_verifier.verify(body["access_token"])
    assert (principal.kind, principal.owner_id, principal.actor) == ("person", people.ada.id, "runtime")


async def test_an_application_gets_what_it_and_the_person_both_have(auth: RunningAuth, people: Acting):
    narrow = await auth.log_in(people.ada.email, scope="agents:read agents:write")
    both = await exchange(auth, narrow["access_token"], people.app)
    assert both.json()["scope"] == "agents:read"
    assert (await exchange(auth, people.ada.token, people.app)).json()["scope"] == "agents:read runs:read"
    for scope in ("agents:write", "agents:read agents:write", "runs:read", "users:write", "nonsense"):
        assert refusal(await exchange(auth, narrow["access_token"], people.app, scope=scope)) == (400, "invalid_scope")
    assert refusal(await exchange(auth, narrow["access_token"], RUNTIME, scope="runs:read")) == (400, "invalid_scope")


async def test_whoever_acts_makes_nothing_that_would_outlive_it(auth: RunningAuth, people: Acting):
    runtime = await acting(auth, people.ada.token, RUNTIME)
    key = await runtime.asks("POST", "/api/v1/users/me/api-keys", json={"name": "k", "scopes": ["agents:read"]})
    client = await runtime.asks("POST", "/api/v1/auth/clients", json={"name": "c"})
    profile = await runtime.asks("PUT", "/api/v1/users/me", json={"name": "Eve"})
    passwords = {"current_password": PASSWORD, "new_password": "another that nobody guesses"}
    password = await runtime.asks("POST", "/api/v1/auth/password", json=passwords)
    logout = await runtime.asks("POST", "/api/v1/auth/logout", json={})
    answers = (key, client, profile, password, logout)
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "not_in_person")] * 5


async def test_a_client_without_leave_acts_for_nobody(auth: RunningAuth, people: Acting):
    made = await people.owner.made(scopes=["agents:read"])
    answer = await exchange(auth, people.ada.token, shows(made))
    assert refusal(answer) == (400, "unauthorized_client")
    wrong = await exchange(auth, people.ada.token, {**people.app, "client_secret": made["client_secret"]})
    assert refusal(wrong) == (401, "invalid_client")
    assert refusal(await exchange(auth, people.ada.token, {})) == (401, "invalid_client")


async def test_the_chain_of_who_acts_is_kept_and_only_the_platform_makes_it_longer(auth: RunningAuth, people: Acting):
    by_app = await acting(auth, people.ada.token, people.app)
    by_runtime = await acting(auth, by_app.token, RUNTIME)
    by_tools = await acting(auth, by_runtime.token, TOOLS)
    chain = {"sub": "tools", "act": {"sub": "runtime", "act": {"sub": people.made["client_id"]}}}
    assert claims_of(by_tools.token)["act"] == chain
    assert claims_of(by_tools.token)["scope"] == "agents:read runs:read"
    other = await an_actor(auth, people.owner, ["agents:read", "agents:write"])
    for token in (by_app.token, by_tools.token):
        assert refusal(await exchange(auth, token, shows(other))) == (400, "invalid_request")


async def test_a_chain_has_an_end(auth: RunningAuth, people: Acting):
    token = people.ada.token
    answers: list[int] = []
    for number in range(10):
        answer = await exchange(auth, token, (RUNTIME, TOOLS)[number % 2])
        answers.append(answer.status_code)
        token = answer.json().get("access_token", token)
    assert answers == [200] * 8 + [400] * 2


async def test_what_is_no_persons_valid_token_is_refused(auth: RunningAuth, people: Acting):
    bot = await machine(auth, people.made)
    service = await auth.token(grant_type="client_credentials", **RUNTIME, audience="tools")
    own = await auth.token(grant_type="client_credentials", **RUNTIME, audience="auth")
    head, payload, signature = people.ada.token.split(".")
    broken = (
        bot.token, service.json()["access_token"], own.json()["access_token"], people.ada.refresh_token, "x", "a.b.c",
        f"{head}.{payload}.{signature[::-1]}", "eyJhbGciOiJub25lIn0." + payload + ".",
        "kg_" + "0" * 32 + "_" + "x" * 46, "x" * 8192,
    )  # fmt: skip
    for token in broken:
        assert refusal(await exchange(auth, token, RUNTIME)) == (400, "invalid_request"), token


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"subject_token": ""}, "invalid_request"), ({"subject_token": "x" * 8193}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"), ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"audience": "tools"}, "invalid_target"), ({"audience": "https://example.org"}, "invalid_target"),
        ({"resource": "https://example.org"}, "invalid_target"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_request_that_asks_for_something_else(auth: RunningAuth, people: Acting, change: Form, error: str):
    assert refusal(await exchange(auth, people.ada.token, {**RUNTIME, **change})) == (400, error)


async def test_an_api_key_may_be_exchanged_and_ends_what_came_of_it(auth: RunningAuth, people: Acting):
    body = {"name": "ci", "scopes": ["agents:read"]}
    key = (await people.ada.asks("POST", "/api/v1/users/me/api-keys", json=body)).json()
    runtime = await acting(auth, key["key"], RUNTIME)
    assert claims_of(runtime.token)["scope"] == "agents:read"
    assert claims_of(runtime.token)["exp"] <= time.time() + 60
    await people.ada.asks("DELETE", f"/api/v1/users/me/api-keys/{key['id']}")
    await runtime.is_refused()


Ending = Callable[[RunningAuth, Caller, Caller, dict[str, Any]], Awaitable[None]]


async def log_out(_auth: RunningAuth, ada: Caller, _owner: Caller, _made: dict[str, Any]) -> None:
    assert (await ada.asks("POST", "/api/v1/auth/logout", json={})).status_code == 204


async def revoke_the_person(auth: RunningAuth, ada: Caller, _owner: Caller, _made: dict[str, Any]) -> None:
    async with auth.parts.storage.transaction() as work:
        await work.revocations.subject(ada.id)


async def revoke_the_subject_token(auth: RunningAuth, ada: Caller, _owner: Caller, _made: dict[str, Any]) -> None:
    answer = await auth.client.post("/api/v1/auth/revoke", data={"token": ada.token})
    assert answer.status_code == 200


async def delete_the_actor(_auth: RunningAuth, _ada: Caller, owner: Caller, made: dict[str, Any]) -> None:
    assert (await owner.asks("DELETE", f"/api/v1/auth/clients/{made['client_id']}")).status_code == 204


async def take_leave_away(auth: RunningAuth, _ada: Caller, _owner: Caller, made: dict[str, Any]) -> None:
    place = f"/api/v1/admin/clients/{made['client_id']}"
    await (await the_admin(auth)).asks("PATCH", place, json={"may_exchange": False})


async def disable_the_actors_owner(auth: RunningAuth, _ada: Caller, owner: Caller, _made: dict[str, Any]) -> None:
    await (await the_admin(auth)).asks("PATCH", f"/api/v1/admin/users/{owner.id}", json={"disabled": True})


@pytest.mark.parametrize(
    "end",
    [log_out, revoke_the_person, revoke_the_subject_token, delete_the_actor, take_leave_away, disable_the_actors_owner],
    ids=lambda end: end.__name__,
)
async def test_an_exchanged_token_ends_with_whatever_it_stands_on(auth: RunningAuth, end: Ending):
    ada, owner = await a_person(auth), await a_person(auth)
    made = await an_actor(auth, owner, ["agents:read"])
    direct = await acting(auth, ada.token, shows(made))
    onward = await acting(auth, direct.token, RUNTIME)
    assert (await onward.asks("GET", "/api/v1/users/me")).status_code == 200
    await end(auth, ada, owner, made)
    # At the token endpoint at once, at every service within a second.
    assert refusal(await exchange(auth, direct.token, RUNTIME)) == (400, "invalid_request")
    await direct.is_refused()
    await onward.is_refused()


async def test_a_person_who_was_revoked_is_not_exchanged_even_before_the_feed_is_read(auth: RunningAuth):
    ada = await a_person(auth)
    await exchange(auth, ada.token, RUNTIME)  # the verifier knows the token now
    async with auth.parts.storage.transaction() as work:
        await work.revocations.subject(ada.id)
    assert refusal(await exchange(auth, ada.token, RUNTIME)) == (400, "invalid_request")


async def test_the_grant_is_named_where_another_is_asked_for(auth: RunningAuth):
    answer = await auth.token(grant_type="password", **RUNTIME)
    assert refusal(answer) == (400, "unsupported_grant_type")
    assert EXCHANGE in answer.json()["error_description"]


async def test_the_persons_own_token_goes_on_when_the_actor_is_gone(auth: RunningAuth):
    ada, owner = await a_person(auth), await a_person(auth)
    made = await an_actor(auth, owner, ["agents:read"])
    bot = await acting(auth, ada.token, shows(made))
    await delete_the_actor(auth, ada, owner, made)
    await bot.is_refused()
    assert (await ada.asks("GET", "/api/v1/users/me")).status_code == 200

    async def machine_is_refused() -> bool:
        answer = await auth.token(grant_type="client_credentials", **shows(made))
        return answer.status_code == 401

    await eventually(machine_is_refused)
