"""People come in through an issuer, and are who they are by its subject alone."""

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from nats.js.api import DeliverPolicy
from pydantic import ValidationError

from auth_service.oidc.issuers import OidcIssuer
from auth_service.settings import AuthSettings
from kgents_shared.testing.polling import eventually
from tests.external.oidc_browser import Browser
from tests.external.oidc_server import CLIENT_ID, CLIENT_SECRET, Key, OidcState
from tests.external.running_auth import PASSWORD, RunningAuth, is_healthy, running
from tests.external.subscriptions import listening


async def me(auth: RunningAuth, tokens: dict[str, Any]) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = await auth.client.get("/api/v1/users/me", headers=bearer)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_somebody_new_comes_in_with_tokens_of_ours(auth: RunningAuth, acme: OidcState, browser: Browser):
    answer = await browser.log_in()
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    shown = await me(auth, tokens)
    assert (shown["email"], shown["name"], shown["roles"]) == (acme.claims["email"], "Ada", ["developer"])
    rows = await auth.rows(
        "SELECT identity_provider, provider_subject FROM identity.users WHERE email = :email", email=shown["email"]
    )
    assert rows == [("oidc:acme", acme.claims["sub"])]
    refreshed = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 200
    assert list(browser.client.cookies.jar) == []


async def test_the_same_subject_is_the_same_person_whatever_else_the_issuer_says_now(
    auth: RunningAuth, acme: OidcState, browser: Browser
):
    first = await me(auth, (await browser.log_in()).json())
    acme.claims |= {"email": f"{secrets.token_hex(8)}@example.org", "email_verified": False, "name": "Ada Lovelace"}
    again = await me(auth, (await browser.log_in()).json())
    assert again == first
    acme.claims = {"sub": acme.claims["sub"]}
    assert await me(auth, (await browser.log_in()).json()) == first


async def test_the_same_subject_at_another_issuer_is_somebody_else(
    auth: RunningAuth, acme: OidcState, globex: OidcState, browser: Browser
):
    first = await me(auth, (await browser.log_in()).json())
    globex.somebody(sub=acme.claims["sub"])
    other = await me(auth, (await browser.log_in("globex")).json())
    assert other["id"] != first["id"]


async def test_an_address_that_somebody_has_joins_nobody_to_them(
    auth: RunningAuth, acme: OidcState, globex: OidcState, browser: Browser
):
    theirs = await auth.register()
    acme.somebody(email=theirs.upper())
    refused = await browser.log_in()
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    assert await auth.rows("SELECT 1 FROM identity.users WHERE provider_subject = :s", s=acme.claims["sub"]) == []
    acme.somebody()
    assert (await browser.log_in()).status_code == 200
    globex.somebody(email=acme.claims["email"])
    assert (await browser.log_in("globex")).json()["code"] == "address_taken"


@pytest.mark.parametrize("verified", [None, False, "false", 1, "TRUE", [True]])
async def test_an_address_that_the_issuer_hasnt_verified_is_nobodys(
    auth: RunningAuth, acme: OidcState, browser: Browser, verified: object
):
    acme.somebody(email_verified=verified)
    refused = await browser.log_in()
    assert (refused.status_code, refused.json()["code"]) == (403, "email_not_verified")
    assert await auth.rows("SELECT 1 FROM identity.users WHERE email = :e", e=acme.claims["email"]) == []


async def test_an_issuer_whose_addresses_are_trusted_neednt_call_them_verified(
    auth: RunningAuth, globex: OidcState, browser: Browser
):
    globex.somebody(email_verified=None)
    assert (await me(auth, (await browser.log_in("globex")).json()))["email"] == globex.claims["email"]


@pytest.mark.parametrize("email", [None, "", "no address", 7, "a@b\0.org", ["a@example.org"]])
async def test_whoever_has_no_address_is_told_so(acme: OidcState, browser: Browser, email: object):
    acme.somebody(email=email)
    refused = await browser.log_in()
    assert (refused.status_code, refused.json()["code"]) == (403, "address_missing")


async def test_what_the_id_token_leaves_out_is_asked_for(auth: RunningAuth, acme: OidcState, browser: Browser):
    acme.userinfo = acme.somebody()
    acme.claims = {"sub": acme.userinfo["sub"]}
    assert (await me(auth, (await browser.log_in()).json()))["email"] == acme.userinfo["email"]


async def test_what_is_said_of_somebody_else_is_left(acme: OidcState, browser: Browser):
    acme.userinfo = dict(acme.somebody())
    acme.claims = {"sub": "another-subject"}
    assert (await browser.log_in()).json()["code"] == "address_missing"


@pytest.mark.parametrize("name", [None, "", "A\u202eda", "x" * 300, {"first": "Ada"}])
async def test_a_name_that_is_none_is_not_taken(auth: RunningAuth, acme: OidcState, browser: Browser, name: object):
    acme.somebody(name=name)
    assert (await me(auth, (await browser.log_in()).json()))["name"] == acme.claims["sub"]


async def test_a_disabled_person_stays_out(auth: RunningAuth, acme: OidcState, browser: Browser):
    assert (await browser.log_in()).status_code == 200
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE provider_subject = :s", s=acme.claims["sub"])
    refused = await browser.log_in()
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")


async def test_an_account_of_ours_with_the_same_address_gives_nobody_its_password(
    auth: RunningAuth, acme: OidcState, browser: Browser
):
    tokens = (await browser.log_in()).json()
    await auth.register(acme.claims["email"])
    body = {"current_password": PASSWORD, "new_password": "another four words together"}
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    refused = await auth.client.post("/api/v1/auth/password", json=body, headers=bearer)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    await auth.log_in(acme.claims["email"])


async def test_a_key_that_came_after_the_last_login_is_fetched(acme: OidcState, browser: Browser):
    assert (await browser.log_in()).status_code == 200
    acme.key = Key("second")
    assert (await browser.log_in()).status_code == 200
    acme.calls.clear()
    assert (await browser.log_in()).status_code == 200
    assert "/jwks" not in acme.calls
    assert "/.well-known/openid-configuration" not in acme.calls


async def test_what_a_browser_is_sent_to_an_issuer_with(auth: RunningAuth, acme: OidcState, browser: Browser):
    one = await browser.client.get("/api/v1/auth/oidc/acme/start")
    two = await browser.client.get("/api/v1/auth/oidc/acme/start")
    sent = [parse_qs(urlsplit(answer.headers["location"]).query) for answer in (one, two)]
    for query in sent:
        assert query["client_id"] == [CLIENT_ID]
        assert query["code_challenge_method"] == ["S256"]
        assert query["tenant"] == ["a"]
        assert CLIENT_SECRET not in str(query)
    for name in ("state", "nonce", "code_challenge"):
        assert sent[0][name] != sent[1][name]
        assert len(sent[0][name][0]) == 43
    cookie = one.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    stored = str(await auth.rows("SELECT row_to_json(a)::text FROM identity.oidc_attempts a"))
    kept = browser.client.cookies["kgents-oidc"]
    for secret in (sent[1]["state"][0], sent[1]["nonce"][0], kept):
        assert secret not in stored
        assert secret.encode().hex() not in stored


async def test_behind_https_no_neighbouring_domain_can_set_the_cookie(auth_settings: AuthSettings, acme: OidcState):
    issuers = {"acme": OidcIssuer(issuer=acme.url, client_id=CLIENT_ID)}
    changed = {"oidc_issuers": issuers, "issuer": "https://kgents.example.org"}
    async with running(auth_settings.model_copy(update=changed)) as auth:
        await eventually(lambda: is_healthy(auth))
        answer = await auth.client.get("/api/v1/auth/oidc/acme/start")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-kgents-oidc=")
    assert "; secure" in cookie.lower()
    assert "path=/;" in cookie.lower()
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://acme.example.org"},
        {"issuer": "https://acme.example.org?tenant=a"},
        {"issuer": "https://me@acme.example.org"},
        {"issuer": "acme"},
        {"client_id": ""},
        {"scopes": ["openid email"]},
        {"secret": "x"},
    ],
)
def test_an_issuer_that_isnt_one_is_refused_at_the_start(changed: dict[str, Any]):
    with pytest.raises(ValidationError):
        OidcIssuer.model_validate({"issuer": "https://acme.example.org", "client_id": "x", **changed})


async def test_what_happens_is_told_by_ids_alone(auth: RunningAuth, acme: OidcState, browser: Browser):
    jetstream = await auth.app.state.event_bus.jetstream()
    names = ("user.registered", "user.logged_in", "token.refused")
    heard = {name: await listening(jetstream, f"kgents.identity.{name}", DeliverPolicy.NEW) for name in names}
    shown = await me(auth, (await browser.log_in()).json())
    await browser.log_in()
    await browser.client.get("/api/v1/auth/oidc/acme/callback?state=guess&code=guess")
    await auth.parts.failures.tell_now()

    async def told(name: str, word: str, times: int) -> list[str]:
        found: list[str] = []

        async def has_come() -> bool:
            texts = [message.data.decode() for message in await heard[name].fetch(100, timeout=1)]
            found.extend(text for text in texts if word in text)
            return len(found) >= times

        await eventually(has_come, retry_on=(TimeoutError,))
        return found

    texts = await told("user.registered", shown["id"], 1)
    assert "oidc:acme" in texts[0]
    texts += await told("user.logged_in", shown["id"], 2)
    texts += await told("token.refused", '"oidc"', 1)
    assert [text for text in texts if acme.claims["email"] in text or acme.claims["sub"] in text] == []


async def test_somebody_new_in_many_browsers_at_once_is_one_person(
    auth: RunningAuth, acme: OidcState, browser_of: Callable[[], Browser]
):
    answers = await asyncio.gather(*(browser_of().log_in() for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    rows = await auth.rows("SELECT 1 FROM identity.users WHERE provider_subject = :s", s=acme.claims["sub"])
    assert len(rows) == 1


async def test_of_two_newcomers_with_one_address_at_once_one_gets_it(
    auth: RunningAuth, acme: OidcState, globex: OidcState, browser_of: Callable[[], Browser]
):
    globex.somebody(email=acme.claims["email"])
    answers = await asyncio.gather(*(browser_of().log_in(name) for name in ("acme", "globex") * 2))
    assert {answer.status_code for answer in answers} == {200, 409}
    rows = await auth.rows("SELECT 1 FROM identity.users WHERE email = :e", e=acme.claims["email"])
    assert len(rows) == 1


def test_issuers_are_read_from_the_environment(auth_settings: AuthSettings, monkeypatch: pytest.MonkeyPatch):
    acme = {"issuer": "https://acme.example.org", "client_id": "kgents", "client_secret": "the secret of acme"}
    required: dict[str, Any] = {
        name: getattr(auth_settings, name) for name in ("database_url", "nats_url", "client_secret", "signing_key_file")
    }
    monkeypatch.setenv("AUTH_OIDC_ISSUERS", json.dumps({"acme": acme}))
    read = AuthSettings(**required)
    assert read.oidc_issuers["acme"].issuer == "https://acme.example.org"
    assert "the secret of acme" not in repr(read)
    for wrong in ({"Acme/..": acme}, {"acme": {**acme, "issuer": "http://acme.example.org"}}):
        monkeypatch.setenv("AUTH_OIDC_ISSUERS", json.dumps(wrong))
        with pytest.raises(ValidationError) as refused:
            AuthSettings(**required)
        assert "the secret of acme" not in str(refused.value)
