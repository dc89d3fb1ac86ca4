"""Forged, foreign and stale access tokens against the running service: 401, whatever was tried."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jose import jwk, jws, jwt

from kgents_shared.auth import StaticKeySource, TokenVerifier
from kgents_shared.auth.tokens import LEEWAY_S
from kgents_shared.errors import Unauthenticated
from kgents_shared.testing.tokens import only_keys
from tests.external.running_auth import ISSUER, RUNTIME_SECRET, RunningAuth

Claims = dict[str, Any]


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Forge:
    """Makes tokens with the service's own key, so that only what a test spoils is wrong."""

    def __init__(self, auth: RunningAuth, subject: str) -> None:
        self.pem = auth.settings.signing_key_file.read_text()
        self.kid = auth.parts.keys.jwks()["keys"][0]["kid"]
        self.subject = subject

    def claims(self, **spoiled: Any) -> Claims:
        now = int(time.time())
        good = {"iss": ISSUER, "sub": self.subject, "aud": "kgents", "exp": now + 900, "iat": now, "jti": "j",
                "client_id": "kgents-cli", "scope": "agents:read", "roles": ["developer"]}  # fmt: skip
        return {key: value for key, value in {**good, **spoiled}.items() if value is not None}

    def sign(self, claims: Claims, *, key: str | None = None, **headers: Any) -> str:
        full = {"typ": "at+jwt", "kid": self.kid, **headers}
        return jwt.encode(claims, key or self.pem, algorithm="ES256", headers=full)

    def public_pem(self) -> bytes:
        key = load_pem_private_key(self.pem.encode(), None)
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
async def forge(auth: RunningAuth) -> Forge:
    tokens = await auth.log_in()
    return Forge(auth, jwt.get_unverified_claims(tokens["access_token"])["sub"])


async def status_of(auth: RunningAuth, token: str) -> int:
    answer = await auth.client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.status_code


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_the_forge_makes_good_tokens_so_that_each_refusal_below_has_one_cause(auth: RunningAuth, forge: Forge):
    assert await status_of(auth, forge.sign(forge.claims())) == 200


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "ES384", "HS256", "RS256", ["ES256"]])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_a_token_that_names_another_algorithm(auth: RunningAuth, forge: Forge, algorithm: Any, signature: str):
    header = {"alg": algorithm, "typ": "at+jwt", "kid": forge.kid}
    assert await status_of(auth, f"{part(header)}.{part(forge.claims())}.{signature}") == 401


async def test_a_good_signature_under_a_header_that_was_changed_afterwards(auth: RunningAuth, forge: Forge):
    _, payload, signature = forge.sign(forge.claims()).split(".")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": forge.kid, "x": "1"}
    assert await status_of(auth, f"{part(header)}.{payload}.{signature}") == 401


async def test_hs256_with_the_public_key_as_its_secret(auth: RunningAuth, forge: Forge):
    jwk_text = json.dumps(auth.parts.keys.jwks()["keys"][0])
    for secret in (forge.public_pem(), jwk_text.encode()):
        key = jwk.construct({"kty": "oct", "k": base64.urlsafe_b64encode(secret).decode()}, "HS256")
        signed = jws.sign(forge.claims(), key, headers={"typ": "at+jwt", "kid": forge.kid}, algorithm="HS256")
        assert await status_of(auth, signed) == 401


async def test_a_key_that_the_token_brings_along(auth: RunningAuth, forge: Forge, tmp_path: Any):
    own = ec.generate_private_key(ec.SECP256R1())
    public = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    brought = {**jwk.construct(public, "ES256").to_dict(), "kid": "mine", "alg": "ES256"}
    key_file = tmp_path / "mine.json"
    key_file.write_text(json.dumps({"keys": [brought]}))
    for headers in (
        {"jwk": brought},
        {"jwk": brought, "kid": "mine"},
        {"jku": "http://127.0.0.1:9/jwks.json", "kid": "mine"},
        {"jku": key_file.as_uri(), "kid": "mine"},
        {"x5u": key_file.as_uri(), "kid": "mine"},
        {"x5c": [base64.b64encode(b"no certificate").decode()]},
        {"kid": key_file.as_uri()},
        {"kid": str(key_file)},
    ):
        assert await status_of(auth, forge.sign(forge.claims(), key=pem_of(own), **headers)) == 401


async def test_no_address_in_a_token_is_asked(auth: RunningAuth, forge: Forge):
    came: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        for headers in ({"jku": address}, {"x5u": address}, {"kid": address}, {"jku": address, "kid": "unknown"}):
            own = pem_of(ec.generate_private_key(ec.SECP256R1()))
            assert await status_of(auth, forge.sign(forge.claims(), key=own, **headers)) == 401
        for issuer in ({"iss": address}, {"iss": address.removesuffix("/jwks.json")}):
            assert await status_of(auth, forge.sign(forge.claims(**issuer))) == 401
    assert came == []


@pytest.mark.parametrize(
    "kid",
    ["", "unknown", "../../../../dev/null", "/dev/null", "' OR 1=1 --", "x'; DROP TABLE users; --", "k" * 4096,
     "\0", "\ud800", 7, True, None, [], {"a": 1}, ["test"]],
)  # fmt: skip
async def test_a_kid_that_is_no_key_of_ours(auth: RunningAuth, forge: Forge, kid: Any):
    header = {"alg": "ES256", "typ": "at+jwt", "kid": kid}
    _, payload, signature = forge.sign(forge.claims()).split(".")
    assert await status_of(auth, f"{part(header)}.{payload}.{signature}") == 401


@pytest.mark.parametrize("typ", ["JWT", "jwt", "id+jwt", "at+JWT ", "", "at", None, 1, ["at+jwt"]])
async def test_a_token_of_another_type(auth: RunningAuth, forge: Forge, typ: Any):
    assert await status_of(auth, forge.sign(forge.claims(), typ=typ)) == 401


@pytest.mark.parametrize(
    "spoil",
    [
        {"iss": "http://localhost:8081"}, {"iss": ISSUER + "/"}, {"iss": None}, {"iss": [ISSUER]}, {"iss": ""},
        {"aud": "auth"}, {"aud": "tools"}, {"aud": "Kgents"}, {"aud": None}, {"aud": ["kgents"]},
        {"aud": ["kgents", "auth"]},
        {"aud": ""}, {"sub": None}, {"sub": 7}, {"jti": None}, {"client_id": None}, {"client_id": 7},
        {"exp": None}, {"exp": "never"}, {"exp": 1e300}, {"exp": float("inf")}, {"exp": -1}, {"exp": 0}, {"exp": True},
        {"iat": None}, {"iat": "yesterday"}, {"scope": ["agents:read"]}, {"roles": "admin"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_claim_that_is_missing_wrong_or_of_the_wrong_kind(auth: RunningAuth, forge: Forge, spoil: Claims):
    claims = forge.claims(**spoil)
    token = jws.sign(json.dumps(claims).encode(), forge.pem, {"typ": "at+jwt", "kid": forge.kid}, "ES256")
    assert await status_of(auth, token) == 401


@pytest.mark.parametrize(
    "seconds_from_now",
    [{"exp": 0}, {"exp": -1}, {"exp": -1, "iat": -901}, {"exp": -3600}, {"iat": 60}, {"nbf": 60}],
    ids=str,
)
async def test_a_token_out_of_its_time_even_by_one_second(
    auth: RunningAuth, forge: Forge, seconds_from_now: dict[str, int]
):
    now = int(time.time())
    token = forge.sign(forge.claims(**{claim: now + seconds for claim, seconds in seconds_from_now.items()}))
    assert await status_of(auth, token) == 401


@pytest.mark.parametrize(("ahead_s", "status"), [(LEEWAY_S - 2, 200), (LEEWAY_S + 2, 401), (3600, 401)])
async def test_a_clock_that_is_ahead_is_forgiven_the_declared_seconds_and_no_more(
    auth: RunningAuth, forge: Forge, ahead_s: int, status: int
):
    now = int(time.time())
    assert await status_of(auth, forge.sign(forge.claims(iat=now + ahead_s, exp=now + ahead_s + 900))) == status


async def test_a_header_that_must_be_understood_and_is_not(auth: RunningAuth, forge: Forge):
    assert await status_of(auth, forge.sign(forge.claims(), crit=["b64"], b64=False)) == 401


async def test_a_token_that_was_good_is_refused_once_it_has_expired(auth: RunningAuth, forge: Forge):
    verifier = TokenVerifier(ISSUER, only_keys(StaticKeySource(auth.parts.keys.jwks()["keys"])), "auth")
    token = forge.sign(forge.claims(exp=int(time.time()) + 1))
    assert (await verifier.verify(token)).subject == forge.subject
    while time.time() < jwt.get_unverified_claims(token)["exp"]:  # noqa: ASYNC110 -- the clock is what is waited for
        await asyncio.sleep(0.05)
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


@pytest.mark.parametrize(
    "token",
    ["x", "a.b", "a.b.c", "a.b.c.d", "....", ".", "eyJ.eyJ.", "\xff", "a" * 9000, "=" * 100,
     base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.AAAA",
     base64.urlsafe_b64encode(b'{"a":' * 1000).decode() + ".e30.AAAA",
     base64.urlsafe_b64encode(b"1" * 5000).decode() + ".e30.AAAA",
     base64.urlsafe_b64encode(b"null").decode() + ".e30.AAAA", base64.urlsafe_b64encode(b"[]").decode() + ".e30.AAAA"],
    ids=range(15),
)  # fmt: skip
async def test_what_is_no_token_at_all(auth: RunningAuth, token: str):
    header = b"Bearer " + token.encode("latin-1")
    answer = await auth.client.get("/api/v1/users/me", headers={b"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token x"])
async def test_a_request_without_a_bearer(auth: RunningAuth, header: str | None):
    headers = {} if header is None else {"Authorization": header}
    answer = await auth.client.get("/api/v1/users/me", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_required")


async def test_a_token_in_the_query_or_in_a_cookie_is_not_looked_at(auth: RunningAuth, forge: Forge):
    token = forge.sign(forge.claims())
    answer = await auth.client.get(
        "/api/v1/users/me", params={"access_token": token}, headers={"Cookie": f"access_token={token}"}
    )
    assert answer.status_code == 401


async def test_one_services_token_does_not_work_at_another_service_nor_at_public_routes(auth: RunningAuth):
    answer = await auth.token(
        grant_type="client_credentials", client_id="runtime", client_secret=RUNTIME_SECRET, audience="tools"
    )
    token = answer.json()["access_token"]
    keys = StaticKeySource(auth.parts.keys.jwks()["keys"])
    at_tools = await TokenVerifier(ISSUER, only_keys(keys), "tools").verify(token)
    assert (at_tools.kind, at_tools.subject, at_tools.client_id) == ("service", "runtime", "runtime")
    for elsewhere in ("management", "runtime", "deployment", "auth"):
        with pytest.raises(Unauthenticated):
            await TokenVerifier(ISSUER, only_keys(keys), elsewhere).verify(token)
    assert await status_of(auth, token) == 401


async def test_a_services_token_for_this_service_opens_no_public_route(auth: RunningAuth):
    answer = await auth.token(
        grant_type="client_credentials", client_id="runtime", client_secret=RUNTIME_SECRET, audience="auth"
    )
    assert await status_of(auth, answer.json()["access_token"]) == 403
