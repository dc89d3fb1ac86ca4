"""Assertions that clients sign instead of showing a secret (`private_key_jwt`, RFC 7523 §3)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# Stock clients make theirs for an hour.
LONGEST_S = 3600
LEEWAY_S = 5
ALGORITHMS = ("ES256", "EdDSA", "RS256")
_ALGORITHM_OF: dict[tuple[object, object], str] = {
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
    ("RSA", None): "RS256",
}
_RSA_BITS = range(2048, 4097)
_TYPES = {None, "JWT", "client-authentication+jwt"}
_LONGEST_NAME = 200
# What of a key is kept: the members of RFC 7518 §6 and RFC 8037 that make up its public half, and its name.
_KEPT = ("kty", "crv", "x", "y", "n", "e", "kid")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# Times and names are read below: what they must be is more than the library asks.
_SIGNATURE_ALONE: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")} | {
    "verify_signature": True
}


class KeyUnusable(ValueError):
    """A key that no client may register; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion that one of the client's keys signed; it ends at `expires_at` (Unix seconds)."""

    jti: str
    expires_at: float


def registered(key: Mapping[str, Any]) -> dict[str, Any]:
    """The public half of a client's key as it is kept. Raises `KeyUnusable`."""
    if _PRIVATE & key.keys():
        raise KeyUnusable("is a private or shared key: keep it, and send the public half of a pair")
    kid = key.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_NAME and kid.isprintable()):
        raise KeyUnusable("has a kid that is no short text")
    kept = {name: key[name] for name in _KEPT if key.get(name) is not None}
    loaded = _loaded(kept, _algorithm(kept))
    if isinstance(loaded, RSAPublicKey) and loaded.key_size not in _RSA_BITS:
        raise KeyUnusable("has fewer than 2048 bits, or more than 4096")
    return kept


def read_assertion(
    text: str, *, client_id: str, keys: Sequence[Mapping[str, Any]], audiences: frozenset[str]
) -> Assertion | None:
    """The assertion, None alike for whatever is wrong with it. `audiences` are the names of this server."""
    claims = _signed_claims(text, keys)
    if claims is None:
        return None
    jti, expires_at = claims.get("jti"), claims.get("exp")
    now = time.time()
    others = [claims[name] for name in ("nbf", "iat") if name in claims]
    if not (
        claims.get("iss") == claims.get("sub") == client_id
        and _is_for(claims.get("aud"), audiences)
        and isinstance(jti, str)
        and 0 < len(jti) <= _LONGEST_NAME
        and _is_time(expires_at)
        and now < expires_at <= now + LONGEST_S + LEEWAY_S
        and all(_is_time(other) and other <= now + LEEWAY_S for other in others)
    ):
        return None
    return Assertion(jti, expires_at)


def _signed_claims(text: str, keys: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The claims, by the first key that signed them. A key says which algorithm it is for, never the assertion."""
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    if header.get("typ") not in _TYPES or "crit" in header:
        return None
    for key in keys:
        algorithm = _algorithm(key)
        if header.get("alg") != algorithm or ("kid" in header and key.get("kid") not in {None, header["kid"]}):
            continue
        try:
            return jwt.decode(text, _loaded(key, algorithm), algorithms=[algorithm], options=_SIGNATURE_ALONE)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
    return None


def _algorithm(key: Mapping[str, Any]) -> str:
    kind, curve = key.get("kty"), key.get("crv")
    is_text = isinstance(kind, str) and isinstance(curve, str | None)
    algorithm = _ALGORITHM_OF.get((kind, curve)) if is_text else None
    if algorithm is None:
        raise KeyUnusable("is of a kind that isn't taken: P-256, Ed25519 and RSA are")
    return algorithm


def _loaded(key: Mapping[str, Any], algorithm: str) -> Any:
    try:
        return jwt.PyJWK(dict(key), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise KeyUnusable("can't be read as a JSON Web Key") from error


def _is_for(audience: object, audiences: frozenset[str]) -> bool:
    """One name and no other: an assertion that names several servers is any of them's to replay at the rest."""
    if isinstance(audience, list):
        entries = cast("list[object]", audience)
        audience = entries[0] if len(entries) == 1 else None
    return isinstance(audience, str) and audience in audiences


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
