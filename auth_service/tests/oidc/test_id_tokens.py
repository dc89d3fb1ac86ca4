"""Which of an issuer's keys an ID token may be signed by."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from auth_service.oidc.id_tokens import Expected, IdTokenRefused, KeyUnknown, read_id_token
from tests.external.oidc_server import Key

EXPECTED = Expected("https://acme.example.org", "kgents", "nonce")


def claims() -> dict[str, Any]:
    now = int(time.time())
    whose = {"iss": EXPECTED.issuer, "aud": "kgents", "sub": "ada", "nonce": "nonce"}
    return {**whose, "iat": now, "exp": now + 60}


def rsa_signed(bits: int) -> tuple[str, dict[str, Any]]:
    """By hand, since the library warns of what is tried here."""
    private = rsa.generate_private_key(65537, bits)
    parts = ({"alg": "RS256", "typ": "JWT", "kid": "rsa"}, claims())
    signed = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    signature = base64.urlsafe_b64encode(private.sign(signed.encode(), padding.PKCS1v15(), SHA256()))
    public = RSAAlgorithm(RSAAlgorithm.SHA256).to_jwk(private.public_key(), as_dict=True)
    return f"{signed}.{signature.rstrip(b'=').decode()}", {**public, "kid": "rsa"}


def ec_signed(curve: ec.EllipticCurve, algorithm: str) -> tuple[str, dict[str, Any]]:
    private = ec.generate_private_key(curve)
    public = ECAlgorithm(ECAlgorithm.SHA256).to_jwk(private.public_key(), as_dict=True)
    return jwt.encode(claims(), private, algorithm, headers={"kid": "ec"}), {**public, "kid": "ec"}


def ed25519_signed() -> tuple[str, dict[str, Any]]:
    private = ed25519.Ed25519PrivateKey.generate()
    public = OKPAlgorithm().to_jwk(private.public_key(), as_dict=True)
    return jwt.encode(claims(), private, "EdDSA", headers={"kid": "ed"}), {**public, "kid": "ed"}


@pytest.mark.parametrize(
    "made",
    [
        lambda: rsa_signed(2048),
        lambda: ec_signed(ec.SECP256R1(), "ES256"),
        lambda: ec_signed(ec.SECP384R1(), "ES384"),
        ed25519_signed,
    ],
    ids=["RS256", "ES256", "ES384", "EdDSA"],
)
def test_what_issuers_sign_with_is_read(made: Callable[[], tuple[str, dict[str, Any]]]):
    token, key = made()
    assert read_id_token(token, [Key("another").public, key], EXPECTED)["sub"] == "ada"
    with pytest.raises(KeyUnknown):
        read_id_token(token, [{**key, "use": "enc"}], EXPECTED)
    with pytest.raises(KeyUnknown):
        read_id_token(token, [{**key, "alg": "RS512"}], EXPECTED)
    with pytest.raises(KeyUnknown):
        read_id_token(token, [{**key, "kty": ["RSA"]}, {}, {**key, "kid": "other"}], EXPECTED)


def test_a_short_rsa_key_is_none():
    token, key = rsa_signed(1024)
    with pytest.raises(IdTokenRefused, match="short"):
        read_id_token(token, [key], EXPECTED)


def test_a_key_of_another_curve_or_kind_is_none_for_the_algorithm():
    token, key = ec_signed(ec.SECP384R1(), "ES384")
    for other in ({**key, "crv": "P-256"}, {**key, "kty": "oct", "k": "c2VjcmV0"}):
        with pytest.raises(KeyUnknown):
            read_id_token(token, [other], EXPECTED)


def test_a_token_that_names_no_key_is_of_an_issuer_that_has_one():
    key = Key("one")
    token = jwt.encode(claims(), key.private, "ES256")
    assert read_id_token(token, [key.public], EXPECTED)["sub"] == "ada"
    with pytest.raises(IdTokenRefused, match="several"):
        read_id_token(token, [key.public, Key("other").public], EXPECTED)
    # The issuer may have another key by now.
    with pytest.raises(KeyUnknown):
        read_id_token(token, [Key("other").public], EXPECTED)
