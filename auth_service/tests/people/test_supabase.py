"""The service with people in a Supabase project: what is its own beside the conformance suite."""

import json
import secrets
from collections.abc import AsyncGenerator, Generator
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from auth_service.people import supabase_provider
from auth_service.people.supabase_provider import SupabaseIdentityProvider
from auth_service.settings import AuthSettings
from kgents_shared.errors import Forbidden, InvalidInput, Unavailable
from kgents_shared.testing.polling import eventually
from tests.external.gotrue_server import ANON_KEY, SERVICE_ROLE_KEY, GoTrueState, GoTrueUser, gotrue_server
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD, RunningAuth, is_healthy, running

FOREVER = "2126-01-01T00:00:00Z"
NEW = "another four words together"


def an_address() -> str:
    return f"{secrets.token_hex(8)}@example.org"


def emptied(state: GoTrueState) -> GoTrueState:
    """A server as if it had just been started."""
    fresh = GoTrueState(url=state.url, lock=state.lock)
    for one in fields(GoTrueState):
        setattr(state, one.name, getattr(fresh, one.name))
    return state


@pytest.fixture(scope="module")
def server() -> Generator[GoTrueState]:
    with gotrue_server() as state:
        yield state


@pytest.fixture(scope="module")
async def made_provider(server: GoTrueState) -> AsyncGenerator[SupabaseIdentityProvider]:
    keys = SecretStr(ANON_KEY), SecretStr(SERVICE_ROLE_KEY)
    made = SupabaseIdentityProvider(server.url, *keys, no_sooner_s=0)
    yield made
    await made.close()


@pytest.fixture
def gotrue(server: GoTrueState) -> GoTrueState:
    """An empty project."""
    return emptied(server)


@pytest.fixture
def provider(made_provider: SupabaseIdentityProvider, gotrue: GoTrueState) -> SupabaseIdentityProvider:
    """A provider over the empty project."""
    del gotrue
    return made_provider


def supabase_settings(settings: AuthSettings, url: str) -> AuthSettings:
    changed = {
        "identity_provider": "supabase",
        "supabase_url": url,
        "supabase_anon_key": SecretStr(ANON_KEY),
        "supabase_service_role_key": SecretStr(SERVICE_ROLE_KEY),
    }
    return settings.model_copy(update=changed)


@pytest.fixture(scope="module")
def project() -> Generator[GoTrueState]:
    """The project of the running service."""
    with gotrue_server() as state:
        yield state


@pytest.fixture(scope="module")
async def running_auth(auth_settings: AuthSettings, project: GoTrueState) -> AsyncGenerator[RunningAuth]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supabase_provider, "NO_SOONER_S", 0.0)
        async with running(supabase_settings(auth_settings, project.url)) as service:
            await eventually(lambda: is_healthy(service))
            yield service


@pytest.fixture
def auth(running_auth: RunningAuth, project: GoTrueState) -> RunningAuth:
    """The service with an empty project."""
    emptied(project)
    return running_auth


async def test_somebody_registers_logs_in_and_changes_the_password_and_no_token_of_supabases_leaves(
    auth: RunningAuth, project: GoTrueState
):
    address = await auth.register()
    tokens = await auth.log_in(address)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = (await auth.client.get("/api/v1/users/me", headers=bearer)).json()
    assert (me["email"], me["roles"]) == (address, ["developer"])
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await auth.client.post("/api/v1/auth/password", json=body, headers=bearer)).status_code == 204
    wrong = await auth.client.post("/api/v1/auth/login", json={"email": address, "password": PASSWORD})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    again = await auth.log_in(address, NEW)
    rows = await auth.rows("SELECT identity_provider, provider_subject FROM identity.users WHERE email = :e", e=address)
    assert rows == [("supabase", project.of(address).id)]
    assert (await auth.rows("SELECT 1 FROM identity.local_accounts WHERE email = :e", e=address)) == []
    assert project.sessions == {}
    assert len(project.issued) > 0
    shown = json.dumps([tokens, again, me])
    assert [token for token in project.issued if token in shown] == []


async def test_a_second_registration_is_answered_as_the_first_and_changes_nothing(
    auth: RunningAuth, project: GoTrueState
):
    address = await auth.register()
    await auth.register(address, "a password of somebody else")
    await auth.log_in(address)
    guess = {"email": address, "password": "a password of somebody else"}
    assert (await auth.client.post("/api/v1/auth/login", json=guess)).status_code == 401
    assert len(project.users) == 1
    assert project.sessions == {}


async def test_a_supabase_that_is_away_is_said_to_be(auth: RunningAuth, project: GoTrueState):
    address = await auth.register()
    project.instead = (503, b'{"message":"no"}')
    for path, body in (
        ("login", {"email": address, "password": PASSWORD}),
        ("register", {"email": address, "password": PASSWORD, "name": "Ada"}),
    ):
        answer = await auth.client.post(f"/api/v1/auth/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "identity_provider_away"), path
        assert int(answer.headers["Retry-After"]) > 0
    project.instead = None
    await auth.log_in(address)


@pytest.mark.parametrize(
    "instead",
    [
        (500, b"{}"),
        (502, b"<html>"),
        (429, b'{"code":"over_request_rate_limit","message":"slowly"}'),
        (200, b"[]"),
        (200, b"\xff"),
        (204, b""),
        (301, b""),
        (403, b"no"),
    ],
)
async def test_whatever_else_is_answered_lets_nobody_in(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState, instead: tuple[int, bytes]
):
    identity, _ = await provider.register("ada@example.org", PASSWORD, "Ada")
    gotrue.instead = instead
    for call in (
        provider.authenticate("ada@example.org", PASSWORD),
        provider.register("ada@example.org", PASSWORD, "Ada"),
        provider.create("bob@example.org", PASSWORD, "Bob"),
        provider.find("ada@example.org"),
        provider.is_verified(identity.subject),
        provider.mark_verified(identity),
        provider.set_password(identity.subject, NEW),
    ):
        with pytest.raises(Unavailable):
            await call


async def test_nobody_there_is_no_allow(gotrue: GoTrueState):
    with gotrue_server() as gone:
        url = gone.url
    keys = SecretStr(ANON_KEY), SecretStr(SERVICE_ROLE_KEY)
    provider = SupabaseIdentityProvider(url, *keys, no_sooner_s=0)
    with pytest.raises(Unavailable):
        await provider.authenticate("ada@example.org", PASSWORD)
    with pytest.raises(Unavailable):
        await provider.find("ada@example.org")
    await provider.close()


@pytest.mark.parametrize("keys", [("wrong", SERVICE_ROLE_KEY), (ANON_KEY, "wrong"), (ANON_KEY, ANON_KEY)])
async def test_wrong_keys_of_ours_are_our_fault_and_nobodys_password(gotrue: GoTrueState, keys: tuple[str, str]):
    provider = SupabaseIdentityProvider(gotrue.url, SecretStr(keys[0]), SecretStr(keys[1]), no_sooner_s=0)
    with pytest.raises(Unavailable):
        await provider.register(an_address(), PASSWORD, "Ada")
    await provider.close()
    assert gotrue.users == {}


async def test_an_administrator_makes_people_where_nobody_may_sign_up(auth: RunningAuth, project: GoTrueState):
    project.signup_disabled = True
    body = {"email": an_address(), "password": PASSWORD, "name": "Ada"}
    refused = await auth.client.post("/api/v1/auth/register", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "registration_closed")
    assert project.users == {}
    # The database of the session has an administrator of the local provider, so that none was made here.
    await auth.parts.administration.make(body["email"], "Ada", password=PASSWORD, password_hash=None)
    await auth.log_in(body["email"])


async def test_what_the_projects_own_rules_refuse_names_the_password(auth: RunningAuth, project: GoTrueState):
    project.least_length = 40
    body = {"email": an_address(), "password": PASSWORD, "name": "Ada"}
    refused = await auth.client.post("/api/v1/auth/register", json=body)
    assert refused.status_code == 422
    assert [(fault["loc"], fault["code"]) for fault in refused.json()["errors"]] == [
        (["body", "password"], "weak_password")
    ]
    too_long = await auth.client.post("/api/v1/auth/register", json={**body, "password": "four words nobody joins" * 4})
    assert too_long.json()["errors"][0]["code"] == "password_not_kept"
    assert project.users == {}


async def test_whom_supabase_wants_confirmed_first_is_told_so_for_the_right_password_alone(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState
):
    gotrue.autoconfirm = False
    address = an_address()
    await provider.register(address, PASSWORD, "Ada")
    assert await provider.authenticate(address, "a guess of mine") is None
    with pytest.raises(Forbidden) as refused:
        await provider.authenticate(address, PASSWORD)
    assert refused.value.code == "email_not_verified"
    # As the link in the mail does it.
    gotrue.of(address).email_confirmed_at = "2026-11-21T00:00:00Z"
    identity = await provider.authenticate(address, PASSWORD)
    assert identity is not None
    assert await provider.is_verified(identity.subject)


async def test_a_banned_persons_right_password_is_a_wrong_one(provider: SupabaseIdentityProvider, gotrue: GoTrueState):
    address = an_address()
    await provider.register(address, PASSWORD, "Ada")
    gotrue.of(address).banned_until = FOREVER
    assert await provider.authenticate(address, PASSWORD) is None


async def test_a_password_that_leaked_since_is_refused_when_it_is_set(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState
):
    identity, _ = await provider.register(an_address(), PASSWORD, "Ada")
    gotrue.least_length = 40
    with pytest.raises(InvalidInput):
        await provider.set_password(identity.subject, NEW)


@pytest.mark.parametrize("name", ["A\u202eda", "", "x" * 300, 7, {"first": "Ada"}, None])
async def test_a_name_that_is_none_is_not_taken_over(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState, name: Any
):
    address = an_address()
    await provider.create(address, PASSWORD, "Ada")
    gotrue.of(address).user_metadata = {"name": name}
    found = await provider.find(address)
    assert found is not None
    assert found.name == address.partition("@")[0]


async def test_an_address_is_found_behind_many_that_have_it_within_theirs(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState
):
    address = an_address()
    wanted, _ = await provider.create(address, PASSWORD, "Ada")
    for number in range(1050):
        gotrue.users[str(number)] = GoTrueUser(str(number), f"{number}{address}", "", {})
    assert await provider.find(address) == wanted


@pytest.mark.parametrize("address", ["a", "%", "@example.org", "ada@", "%@%", "____@example.org", "\\%@example.org"])
async def test_what_is_no_address_finds_nobody(provider: SupabaseIdentityProvider, gotrue: GoTrueState, address: str):
    one = gotrue.users.setdefault("0", GoTrueUser("0", "ada@example.org", "", {}))
    assert await provider.find(address) is None
    assert await provider.find(one.email) is not None


async def test_many_who_have_an_address_within_theirs_are_not_all_read(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState
):
    await provider.create("a_b@example.org", PASSWORD, "Ada")
    for number in range(1000):
        gotrue.users[str(number)] = GoTrueUser(str(number), f"axb@example.org{number}", "", {})
    gotrue.calls.clear()
    assert await provider.find("a_b@example.org") is not None
    assert len(gotrue.calls) == 1


@pytest.mark.parametrize("what", ["banned", "deleted"])
async def test_whom_supabase_bans_or_deletes_goes_on_with_no_session(
    auth: RunningAuth, project: GoTrueState, what: str
):
    address = await auth.register()
    one, other = await auth.log_in(address), await auth.log_in(address)
    refreshed = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": one["refresh_token"]})
    assert refreshed.status_code == 200
    project.instead = (503, b"{}")
    away = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert (away.status_code, away.json()["code"]) == (503, "identity_provider_away")
    project.instead = None
    if what == "banned":
        project.of(address).banned_until = FOREVER
    else:
        project.users.clear()
    form = {"grant_type": "refresh_token", "refresh_token": other["refresh_token"]}
    assert (await auth.token(**form)).json()["error"] == "invalid_grant"
    body = {"refresh_token": refreshed.json()["refresh_token"]}
    assert (await auth.client.post("/api/v1/auth/refresh", json=body)).status_code == 401
    bearer = {"Authorization": f"Bearer {one['access_token']}"}

    async def is_refused() -> bool:
        return (await auth.client.get("/api/v1/users/me", headers=bearer)).status_code == 401

    await eventually(is_refused, describe="the access token is refused")


async def test_an_address_that_was_changed_at_supabase_is_changed_here(auth: RunningAuth, project: GoTrueState):
    address, new = await auth.register(), an_address()
    first = await auth.log_in(address)
    project.of(address).email = new
    await auth.log_in(new)
    bearer = {"Authorization": f"Bearer {first['access_token']}"}
    assert (await auth.client.get("/api/v1/users/me", headers=bearer)).json()["email"] == new


async def test_what_was_shown_of_one_address_doesnt_count_for_the_next(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState
):
    identity, _ = await provider.register(an_address(), PASSWORD, "Ada")
    await provider.mark_verified(identity)
    gotrue.users[identity.subject].email = an_address()
    assert not await provider.is_verified(identity.subject)
    await provider.mark_verified(identity)
    assert not await provider.is_verified(identity.subject)


async def test_a_session_that_cant_be_closed_keeps_nobody_out_and_is_told_without_its_tokens(
    provider: SupabaseIdentityProvider, gotrue: GoTrueState, capfd: pytest.CaptureFixture[str]
):
    identity, _ = await provider.create("ada@example.org", PASSWORD, "Ada")
    gotrue.keeps_sessions = True
    assert await provider.authenticate("ada@example.org", PASSWORD) == identity
    assert len(gotrue.sessions) == 1
    told = "".join(capfd.readouterr())
    assert "supabase_session_left_open" in told
    assert [secret for secret in (*gotrue.issued, "ada@example.org", PASSWORD) if secret in told] == []


async def test_a_ban_that_is_over_lets_in(provider: SupabaseIdentityProvider, gotrue: GoTrueState):
    identity, _ = await provider.create(an_address(), PASSWORD, "Ada")
    for until, is_let_in in (("2020-01-01T00:00:00Z", True), ("2126-01-01T00:00:00Z", False), ("whenever", False)):
        gotrue.users[identity.subject].banned_until = until
        assert await provider.lets_in(identity.subject) is is_let_in


async def test_wrong_logins_are_answered_no_sooner_than_a_hash_takes(gotrue: GoTrueState):
    keys = SecretStr(ANON_KEY), SecretStr(SERVICE_ROLE_KEY)
    provider = SupabaseIdentityProvider(gotrue.url, *keys, no_sooner_s=0.05)
    await provider.create("ada@example.org", PASSWORD, "Ada")
    for address, password in (("ada@example.org", "wrong"), ("nobody@example.org", "wrong"), ("x@y.org", "x" * 80)):
        before = monotonic()
        assert await provider.authenticate(address, password) is None
        assert monotonic() - before >= 0.045
    await provider.close()


@pytest.mark.parametrize("left_out", ["supabase_url", "supabase_anon_key", "supabase_service_role_key"])
def test_a_missing_setting_refuses_the_start_with_what_mends_it(tmp_path: Path, left_out: str):
    given = {"supabase_url": "https://x.supabase.co", "supabase_anon_key": "a", "supabase_service_role_key": "s"}
    del given[left_out]
    made: Any = AuthSettings
    base: dict[str, Any] = {
        "database_url": "postgresql://x",
        "nats_url": "nats://x",
        "client_secret": "x",
        "signing_key_file": tmp_path / "key",
        "identity_provider": "supabase",
    }
    with pytest.raises(ValidationError, match=f"AUTH_{left_out.upper()}"):
        made(**base, **given)
    with pytest.raises(ValidationError, match="supabase_url"):
        made(**base, **{**given, "supabase_url": "supabase.co"})


async def test_the_first_administrator_is_made_at_supabase(provider: SupabaseIdentityProvider, gotrue: GoTrueState):
    gotrue.signup_disabled = True
    gotrue.autoconfirm = False
    identity, is_new = await provider.create(ADMIN_EMAIL, ADMIN_PASSWORD, "Administrator")
    assert is_new
    assert await provider.authenticate(ADMIN_EMAIL, ADMIN_PASSWORD) == identity
