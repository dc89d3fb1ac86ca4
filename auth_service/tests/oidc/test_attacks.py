"""What doesn't come in: forged, replayed and misdirected answers, and issuers that are away or lie."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth_service.oidc.issuer_client import IssuerClient
from auth_service.oidc.issuers import OidcIssuer
from kgents_shared.errors import Unavailable
from tests.external.oidc_browser import Browser
from tests.external.oidc_server import Key, OidcState
from tests.external.running_auth import RunningAuth


def shown(answer: httpx.Response) -> tuple[int, str]:
    """How a login was refused."""
    return answer.status_code, answer.json()["code"]


REFUSED = (401, "oidc_refused")
Signer = Callable[[dict[str, Any]], str]


def with_changed(location: str, **changes: str | None) -> str:
    """The way back with another query."""
    query: dict[str, Any] = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    kept = {name: value for name, value in {**query, **changes}.items() if value is not None}
    return f"{location.partition('?')[0]}?{urlencode(kept)}"


def nothing(acme: OidcState) -> Signer:
    del acme
    header = {"alg": "none", "typ": "JWT"}
    return lambda claims: ".".join([*(base64url(json.dumps(part).encode()) for part in (header, claims)), ""])


def the_public_key(acme: OidcState) -> Signer:
    """HS256 by the bytes of the public key, as if it were a shared secret."""
    pem = acme.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(claims: dict[str, Any]) -> str:
        header = {"alg": "HS256", "typ": "JWT", "kid": acme.key.kid}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{base64url(hmac.digest(pem, signed.encode(), 'sha256'))}"

    return sign


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def another_key(acme: OidcState) -> Signer:
    return Key(acme.key.kid).sign


def a_key_in_the_token_itself(acme: OidcState) -> Signer:
    own = Key(acme.key.kid)
    return lambda claims: own.sign(claims, jwk=own.public, jku="http://127.0.0.1:9/jwks")


def a_path_as_kid(acme: OidcState) -> Signer:
    return lambda claims: acme.key.sign(claims, kid="../../etc/passwd")


def sql_as_kid(acme: OidcState) -> Signer:
    return lambda claims: acme.key.sign(claims, kid="' OR 1=1 --")


def an_extension_that_must_be_known(acme: OidcState) -> Signer:
    return lambda claims: acme.key.sign(claims, crit=["exp"], exp=1)


def no_token(acme: OidcState) -> Signer:
    del acme
    return lambda claims: f"no.token.{claims['sub']}"


def an_empty_text(acme: OidcState) -> Signer:
    del acme
    return lambda claims: "" if claims else "-"


@pytest.mark.parametrize(
    "signed_by",
    [
        nothing,
        the_public_key,
        another_key,
        a_key_in_the_token_itself,
        a_path_as_kid,
        sql_as_kid,
        an_extension_that_must_be_known,
        no_token,
        an_empty_text,
    ],
)
async def test_an_id_token_that_the_issuer_didnt_sign_lets_nobody_in(
    auth: RunningAuth, acme: OidcState, browser: Browser, signed_by: Callable[[OidcState], Signer]
):
    acme.sign = signed_by(acme)
    assert shown(await browser.log_in()) == REFUSED
    assert await auth.rows("SELECT 1 FROM identity.users WHERE provider_subject = :s", s=acme.claims["sub"]) == []


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another login's"},
        {"nonce": None},
        {"nonce": 7},
        {"aud": "another client"},
        {"aud": ["kgents at acme", "another client"]},
        {"aud": None},
        {"azp": "another client"},
        {"iss": "https://acme.example.org"},
        {"iss": None},
        {"exp": timedelta(seconds=-60)},
        {"exp": None},
        {"exp": "never"},
        {"iat": timedelta(hours=1)},
        {"iat": None},
        {"nbf": timedelta(hours=1)},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\0b"},
    ],
    ids=str,
)
async def test_an_id_token_that_says_another_thing_lets_nobody_in(
    acme: OidcState, browser: Browser, claims: dict[str, Any]
):
    now = time.time()
    acme.claims |= {
        name: int(now + value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }
    assert shown(await browser.log_in()) == REFUSED


async def test_clocks_may_differ_by_the_declared_leeway(acme: OidcState, browser: Browser):
    acme.claims |= {"exp": int(time.time()) - 10, "iat": int(time.time()) + 10}
    assert (await browser.log_in()).status_code == 200


async def test_a_way_back_works_once(acme: OidcState, browser: Browser):
    location = await browser.start()
    kept = dict(browser.client.cookies)
    assert (await browser.client.get(location)).status_code == 200
    browser.client.cookies.update(kept)
    acme.calls.clear()
    assert shown(await browser.client.get(location)) == REFUSED
    assert acme.calls == []


async def test_of_many_who_come_back_at_once_one_comes_in(browser: Browser):
    location = await browser.start()
    header = {"Cookie": f"kgents-oidc={browser.client.cookies['kgents-oidc']}"}
    answers = await asyncio.gather(*(browser.client.get(location, headers=header) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]


async def test_a_way_back_is_of_the_browser_that_began(browser_of: Callable[[], Browser]):
    attacker, victim, bystander = browser_of(), browser_of(), browser_of()
    location = await attacker.start()
    await victim.start()
    assert shown(await victim.client.get(location)) == REFUSED
    assert shown(await bystander.client.get(location)) == REFUSED
    assert (await attacker.client.get(location)).status_code == 200


async def test_a_way_back_is_of_the_login_that_began(browser: Browser):
    first = await browser.start()
    second = await browser.start()
    assert shown(await browser.client.get(first)) == REFUSED
    assert (await browser.client.get(second)).status_code == 200


async def test_a_code_of_another_login_is_worth_nothing(browser_of: Callable[[], Browser]):
    attacker, victim = browser_of(), browser_of()
    stolen = parse_qs(urlsplit(await victim.start()).query)["code"][0]
    location = with_changed(await attacker.start(), code=stolen)
    assert shown(await attacker.client.get(location)) == REFUSED


@pytest.mark.parametrize("changes", [{"state": "x" * 43}, {"state": None}, {"state": "a\0b"}, {"code": "guess"}])
async def test_a_changed_way_back_is_refused(browser: Browser, changes: dict[str, str | None]):
    assert shown(await browser.client.get(with_changed(await browser.start(), **changes))) == REFUSED


async def test_a_way_back_ends_after_ten_minutes(auth: RunningAuth, browser: Browser):
    location = await browser.start()
    await auth.run("UPDATE identity.oidc_attempts SET expires_at = now() - interval '1 second'")
    assert shown(await browser.client.get(location)) == REFUSED


async def test_one_issuers_answer_is_not_anothers(acme: OidcState, globex: OidcState, browser: Browser):
    location = await browser.start()
    assert shown(await browser.client.get(location.replace("/acme/", "/globex/"))) == REFUSED
    assert shown(await browser.client.get(with_changed(await browser.start(), iss=globex.url))) == REFUSED
    # An issuer that says it names itself does so.
    assert shown(await browser.client.get(with_changed(await browser.start(), iss=None))) == REFUSED
    assert (await browser.client.get(await browser.start())).status_code == 200
    assert "/token" not in globex.calls


async def test_whom_the_issuer_lets_not_in_hears_so(browser: Browser):
    denied = with_changed(await browser.start(), code=None, error="access_denied", error_description="<b>no</b>")
    answer = await browser.client.get(denied)
    assert shown(answer) == (401, "oidc_denied")
    assert "<b>" not in answer.text


async def test_an_issuer_that_isnt_named_here_is_none(browser: Browser):
    for path in ("start", "callback"):
        assert shown(await browser.client.get(f"/api/v1/auth/oidc/nobody/{path}")) == (404, "no_such_issuer")


async def test_an_issuer_that_is_away_is_no_allow(browser: Browser):
    answer = await browser.client.get("/api/v1/auth/oidc/gone/start")
    assert shown(answer) == (503, "issuer_away")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "instead",
    [
        (500, b"{}"),
        (401, b'{"error": "invalid_client"}'),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"\xff"),
        (302, b"{}"),
        (200, b"[" * 100_000),
        (200, b" " * 1_100_000),
    ],
    ids=lambda instead: f"{instead[0]} {instead[1][:20]!r}",
)
async def test_an_issuer_that_gives_no_tokens_is_away(acme: OidcState, browser: Browser, instead: tuple[int, bytes]):
    location = await browser.start()
    acme.instead = {"/token": instead}
    assert shown(await browser.client.get(location)) == (503, "issuer_away")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://acme.example.org"},
        {"issuer": "URL/"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
    ids=str,
)
async def test_a_discovery_document_that_lies_is_not_believed(acme: OidcState, metadata: dict[str, Any]):

    acme.instead, acme.metadata = (
        {},
        {name: value and value.replace("URL", acme.url) for name, value in metadata.items()},
    )
    client = IssuerClient("acme", OidcIssuer(issuer=acme.url, client_id="x"))
    with pytest.raises(Unavailable):
        await client.metadata()
    acme.metadata = {}
    await client.close()
