"""Reading ID tokens (OpenID Connect Core §3.1.3.7)."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# How far an issuer's clock may be from ours.
LEEWAY_S = 30
_LEAST_RSA_BITS = 2048
_LONGEST_SUBJECT = 255
# Signatures alone: with `none` or HMAC whoever knows the public key, or nothing, would be the issuer.
_KINDS: dict[str, frozenset[tuple[str, str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), frozenset({("RSA", None)})),
    "ES256": frozenset({("EC", "P-256")}),
    "ES384": frozenset({("EC", "P-384")}),
    "ES512": frozenset({("EC", "P-521")}),
    "EdDSA": frozenset({("OKP", "Ed25519"), ("OKP", "Ed448")}),
}
_NEEDED: Any = {"require": ["iss", "sub", "aud", "exp", "iat"]}


class KeyUnknown(Exception):
    """None of the issuer's keys that we have is the one that an ID token names."""


class IdTokenRefused(Exception):
    """An ID token isn't one, or isn't for this login. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token has to say."""

    issuer: str
    client_id: str
    nonce: str


def read_id_token(text: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> dict[str, Any]:
    """The claims. `keys` are the issuer's; what else the token's header names is not looked at.

    Raises `KeyUnknown` where newer keys may help, `IdTokenRefused` where nothing will.
    """
    header: Mapping[str, Any] = {}
    try:
        header = jwt.get_unverified_header(text)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in _KINDS or "crit" in header:
            raise IdTokenRefused("its algorithm is none that is taken")
        claims = jwt.decode(
            text,
            _key(keys, algorithm, header.get("kid")),
            algorithms=[algorithm],
            audience=expected.client_id,
            issuer=expected.issuer,
            leeway=LEEWAY_S,
            options=_NEEDED,
        )
    except jwt.InvalidSignatureError as error:
        # One that names no key may be signed by the key that took the place of the one that we have.
        if header.get("kid") is None:
            raise KeyUnknown from error
        raise IdTokenRefused("another key signed it") from error
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenRefused(type(error).__name__) from error
    _check(claims, expected)
    return claims


def _key(keys: Sequence[Mapping[str, Any]], algorithm: str, kid: object) -> Any:
    fitting = [
        key
        for key in keys
        if _kind(key) in _KINDS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if not fitting:
        raise KeyUnknown
    # §10.1: where there are several, a token has to say which.
    if kid is None and len(fitting) > 1:
        raise IdTokenRefused("it names no key, and its issuer has several")
    loaded = jwt.PyJWK(dict(fitting[0]), algorithm=algorithm).key
    if isinstance(loaded, RSAPublicKey) and loaded.key_size < _LEAST_RSA_BITS:
        raise IdTokenRefused("its issuer's key is too short")
    return loaded


def _kind(key: Mapping[str, Any]) -> tuple[Any, Any]:
    kind, curve = key.get("kty"), key.get("crv")
    return (kind, curve) if isinstance(kind, str) and isinstance(curve, str | None) else (None, None)


def _check(claims: Mapping[str, Any], expected: Expected) -> None:
    """What the library doesn't: one audience alone, the nonce of this login, and a subject that can be kept."""
    if claims["aud"] not in (expected.client_id, [expected.client_id]):
        raise IdTokenRefused("it is for others too")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise IdTokenRefused("it was given to another client")
    nonce, subject = claims.get("nonce"), claims["sub"]
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8", "replace"), expected.nonce.encode()):
        raise IdTokenRefused("it is of another login")
    if not (isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT and subject.isprintable()):
        raise IdTokenRefused("its subject can't be kept")
