"""private_key_jwt (RFC 7523): clients that sign instead of showing a secret."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.external.app_clients import CLIENTS, Caller, Form, a_person, claims_of, exchange, let_exchange, the_admin
from tests.external.running_auth import ISSUER, RUNTIME_SECRET, RunningAuth

ENDPOINT = f"{ISSUER}/api/v1/auth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- it is to be refused
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Any] = {"ES256": P256, "EdDSA": ED25519, "RS256": RSA}


def public(key: Any, **more: Any) -> dict[str, Any]:
    algorithm: Any = OKPAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    elif isinstance(key, rsa.RSAPrivateKey):
        algorithm = RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


def signed(client_id: str, key: Any = P256, algorithm: str = "ES256", /, headers: Any = None, **spoiled: Any) -> str:
    now = int(time.time())
    good = {
        "iss": client_id,
        "sub": client_id,
        "aud": ENDPOINT,
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: value for name, value in {**good, **spoiled}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def _moment(value: Any, now: int) -> Any:
    """A time from now on as a time."""
    return now + int(value.total_seconds()) if isinstance(value, timedelta) else value


def shown(assertion: str, **more: str) -> Form:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **more}


async def asked(auth: RunningAuth, form: Form) -> tuple[int, str]:
    answer = await auth.token(grant_type="client_credentials", **form)
    return answer.status_code, answer.json().get("error", "")


REFUSED = (401, "invalid_client")


@pytest.fixture(scope="module")
async def ada(auth: RunningAuth) -> Caller:
    return await a_person(auth)


@pytest.fixture(scope="module")
async def client_id(ada: Caller) -> str:
    keys = [public(P256, kid="first"), public(ED25519), public(RSA, kid="third")]
    made = await ada.made(scopes=["agents:read"], jwks={"keys": keys})
    assert (made["client_secret"], made["secrets"]) == (None, [])
    return str(made["client_id"])


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_client_comes_in_by_its_signature(auth: RunningAuth, client_id: str, algorithm: str):
    form = shown(signed(client_id, KEYS[algorithm], algorithm))
    answer = await auth.token(grant_type="client_credentials", **form)
    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["scope"] == "agents:read"
    by_issuer = signed(client_id, KEYS[algorithm], algorithm, aud=[ISSUER])
    assert await asked(auth, shown(by_issuer, client_id=client_id)) == (200, "")


async def test_what_is_kept_of_the_keys_is_their_public_half_by_name(auth: RunningAuth, client_id: str):
    rows = await auth.rows("SELECT jwks FROM identity.app_clients WHERE client_id = :id", id=client_id)
    assert [set(key) for key in rows[0][0]] == [
        {"kty", "crv", "x", "y", "kid"}, {"kty", "crv", "x"}, {"kty", "n", "e", "kid"}
    ]  # fmt: skip


async def test_an_assertion_works_once_also_for_racers_and_after_a_refusal(auth: RunningAuth, client_id: str):
    form = shown(signed(client_id))
    answers = await asyncio.gather(*(asked(auth, form) for _ in range(10)))
    assert sorted(status for status, _ in answers) == [200] + [401] * 9
    refused = shown(signed(client_id), scope="agents:write")
    assert await asked(auth, refused) == (400, "invalid_scope")
    assert await asked(auth, {**refused, "scope": "agents:read"}) == REFUSED


@pytest.mark.parametrize(
    "spoil",
    [
        {"iss": "somebody"}, {"sub": "runtime"}, {"iss": None}, {"sub": None}, {"iss": ["x"]},
        {"aud": None}, {"aud": ISSUER + "/"}, {"aud": "https://example.org"}, {"aud": [ENDPOINT, "https://example.org"]},
        {"aud": []}, {"aud": "kgents"}, {"aud": {"a": ENDPOINT}},
        {"jti": None}, {"jti": ""}, {"jti": "x" * 201}, {"jti": 7},
        {"exp": None}, {"exp": 0}, {"exp": "soon"}, {"exp": True}, {"exp": timedelta(seconds=-1)},
        {"exp": timedelta(seconds=3700)}, {"exp": 1e300}, {"exp": float("inf")},
        {"nbf": timedelta(seconds=600)}, {"iat": timedelta(seconds=600)}, {"iat": "now"},
    ],
    ids=str,
)  # fmt: skip
async def test_an_assertion_that_says_the_wrong_thing(auth: RunningAuth, client_id: str, spoil: dict[str, Any]):
    now = int(time.time())
    payload = {"iss": client_id, "sub": client_id, "aud": ENDPOINT, "jti": "x", "exp": now + 60, **spoil}
    kept = {name: _moment(value, now) for name, value in payload.items() if value is not None}
    text = jwt.api_jws.encode(json.dumps(kept).encode(), P256, algorithm="ES256", headers={"typ": "JWT"})
    assert await asked(auth, shown(text)) == REFUSED


async def test_an_assertion_by_another_algorithm_or_key(auth: RunningAuth, client_id: str):
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": ENDPOINT, "jti": "x", "exp": now + 60}
    public_pem = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stolen = public(RSA)["n"].encode()
    own = ec.generate_private_key(ec.SECP256R1())
    ours = auth.settings.signing_key_file.read_text()
    tried = [
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, stolen, algorithm="HS256"),
        _hmac_with(claims, public_pem),
        jwt.encode(claims, RSA, algorithm="PS256"),
        jwt.encode(claims, RSA, algorithm="RS512"),
        jwt.encode(claims, own, algorithm="ES256"),
        jwt.encode(claims, own, algorithm="ES256", headers={"jwk": public(own), "kid": "first"}),
        jwt.encode(claims, own, algorithm="ES256", headers={"jku": "http://127.0.0.1:9/jwks.json"}),
        jwt.encode(claims, P256, algorithm="ES256", headers={"kid": "third"}),
        jwt.encode(claims, P256, algorithm="ES256", headers={"kid": "nothing"}),
        jwt.encode(claims, P256, algorithm="ES256", headers={"typ": "at+jwt"}),
        jwt.encode(claims, P256, algorithm="ES256", headers={"crit": ["x"], "x": 1}),
        jwt.encode(claims, ours, algorithm="ES256"),
        signed(client_id)[:-4],
        signed(client_id) + "AAAA",
        "a.b.c", "...", "x" * 8192,
    ]  # fmt: skip
    for number, text in enumerate(tried):
        assert await asked(auth, shown(text, client_id=client_id)) == REFUSED, number


def _hmac_with(claims: dict[str, Any], secret: bytes) -> str:
    """HS256 over a public key's text, which the library itself won't make."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
    return f"{head}.{part(hmac.digest(secret, head.encode(), hashlib.sha256))}"


async def test_an_assertion_of_another_client_or_beside_another_way(auth: RunningAuth, ada: Caller, client_id: str):
    other = await ada.made(jwks={"keys": [public(P256)]})
    # The same key, and the name of somebody else.
    assert await asked(auth, shown(signed(client_id), client_id=other["client_id"])) == REFUSED
    assert await asked(auth, shown(signed("runtime"), client_id="runtime")) == REFUSED
    assert await asked(auth, shown(signed("app_nothing"))) == REFUSED
    assert await asked(auth, shown(signed(client_id), client_assertion_type="urn:x")) == REFUSED
    assert await asked(auth, {"client_assertion": signed(client_id)}) == REFUSED
    two = shown(signed(client_id), client_id="runtime", client_secret=RUNTIME_SECRET)
    assert await asked(auth, two) == (400, "invalid_request")
    assert await asked(auth, {"client_id": client_id, "client_secret": "kgs_guess"}) == REFUSED


async def test_a_client_with_a_secret_may_begin_to_sign_and_then_gets_no_other(auth: RunningAuth, ada: Caller):
    made = await ada.made(scopes=["clients:read"])
    place = f"{CLIENTS}/{made['client_id']}"
    assert await asked(auth, shown(signed(made["client_id"]))) == REFUSED
    changed = await ada.asks("PATCH", place, json={"jwks": {"keys": [public(P256)]}})
    assert changed.json()["jwks"]["keys"][0]["crv"] == "P-256"
    assert await asked(auth, shown(signed(made["client_id"]))) == (200, "")
    # The secret goes on until its owner has moved every copy over and deletes it.
    secret = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    assert await asked(auth, secret) == (200, "")
    await ada.asks("DELETE", f"{place}/secrets/{made['secrets'][0]['id']}")
    assert await asked(auth, secret) == REFUSED
    answer = await ada.asks("POST", f"{place}/secrets", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "client_signs")
    await ada.asks("PATCH", place, json={"jwks": {"keys": [public(ED25519)]}})
    assert await asked(auth, shown(signed(made["client_id"]))) == REFUSED
    assert await asked(auth, shown(signed(made["client_id"], ED25519, "EdDSA"))) == (200, "")


async def test_a_client_that_signs_may_act_for_people(auth: RunningAuth, ada: Caller, client_id: str):
    await let_exchange(await the_admin(auth), client_id)
    answer = await exchange(auth, ada.token, shown(signed(client_id)))
    assert claims_of(answer.json()["access_token"])["act"] == {"sub": client_id}


def with_d(key: Any) -> dict[str, Any]:
    return json.loads(ECAlgorithm.to_jwk(key))


@pytest.mark.parametrize(
    "keys",
    [
        [], {}, "x", [7], [{}], [{"kty": "EC"}], [{"kty": ["EC"], "crv": "P-256"}], [{"kty": "EC", "crv": ["P-256"]}],
        [with_d(P256)], [{"kty": "oct", "k": "AAAA"}], [{**public(P256), "k": "AAAA"}],
        [public(ec.generate_private_key(ec.SECP384R1()))], [{**public(P256), "x": "AAAA"}],
        [{**public(P256), "y": "é"}],
        [{**public(P256), "x": public(P256)["y"]}], [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}],
        [{"kty": "OKP", "crv": "X25519", "x": public(ED25519)["x"]}],
        [public(SHORT)], [{"kty": "RSA", "n": "AQ" * 800, "e": "AQAB"}],
        [{"kty": "RSA", "n": public(RSA)["n"], "e": ""}], [{**public(P256), "kid": ""}], [{**public(P256), "kid": 7}],
        [{**public(P256), "kid": "x" * 201}], [public(P256, kid="a"), public(ED25519, kid="a")], [public(P256)] * 11,
        [{"kty": "EC", "crv": "P-256", "jwks_uri": "http://169.254.169.254/"}],
    ],
    ids=range(26),
)  # fmt: skip
async def test_keys_that_nobody_can_sign_with_are_refused(ada: Caller, keys: Any):
    answer = await ada.asks("POST", CLIENTS, json={"name": "signer", "jwks": {"keys": keys}})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"][:2] == ["body", "jwks"]
    assert '"d"' not in answer.text


async def test_shown_assertions_are_forgotten_when_they_have_ended(auth: RunningAuth, client_id: str):
    assert await asked(auth, shown(signed(client_id))) == (200, "")
    await auth.run("UPDATE identity.client_assertions SET expires_at = now() - interval '1 s' WHERE client_id = :id",
                   id=client_id)  # fmt: skip
    async with auth.parts.storage.transaction() as work:
        await work.clients.delete_expired()
    assert await auth.rows("SELECT 1 FROM identity.client_assertions WHERE client_id = :id", id=client_id) == []
