"""Where public keys come from: a JWKS address (RFC 7517) or a set given outright."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import aiohttp
import structlog
from jose import jwk
from jose.backends.base import Key
from jose.exceptions import JWKError

from kgents_shared.errors import Unavailable

_log = structlog.get_logger("kgents.auth.keys")
REFRESH_AFTER_S = 300.0
UNKNOWN_KID_PAUSE_S = 2.0
# A member of our own in a JWK: the one type of JWT that the key still verifies. Such a key verifies no access token.
PURPOSE = "kgents_only"
_FETCH_TIMEOUT_S = 5


class KeySource(Protocol):
    """Gives the loaded public key of a `kid`, or None where the issuer has no such key."""

    async def key(self, kid: str) -> Key | None:
        """The key; raises `Unavailable` where the set can't be had at all."""
        ...


def load_keys(keys: Iterable[Mapping[str, Any]]) -> dict[str, Key]:
    """The ES256 signing keys of a JWK set by `kid`; anything else in it is passed over, keys of attestations too."""
    loaded: dict[str, Key] = {}
    for row in keys:
        if row.get("kty") != "EC" or row.get("crv") != "P-256" or row.get("alg", "ES256") != "ES256":
            continue
        kid = row.get("kid")
        if not isinstance(kid, str) or row.get("use", "sig") != "sig" or PURPOSE in row:
            continue
        try:
            loaded[kid] = jwk.construct(dict(row), "ES256")
        except (JWKError, KeyError, ValueError, TypeError) as error:
            _log.warning("jwk_unusable", kid=kid, error=str(error))
    return loaded


class StaticKeySource:
    """Keys known in this process (the auth service itself, and tests)."""

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        self._keys = load_keys(keys)

    async def key(self, kid: str) -> Key | None:
        """The key of `kid`."""
        return self._keys.get(kid)


class JwksKeySource:
    """Keys fetched from the auth service's JWKS, kept, and fetched anew when old or when a `kid` is unknown.

    Only the configured address is ever asked; nothing in a token (`jku`, `jwk`, `x5u`) names another.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, Key] = {}
        self._fetched_at = 0.0
        self._asked_at = -UNKNOWN_KID_PAUSE_S
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> Key | None:
        """The key of `kid`; asks the issuer at most once in two seconds for one that is unknown.

        A known key that is due for a new look is used as it is while another caller looks, or while the issuer is away.
        """
        known = self._keys.get(kid)
        if known is not None and (time.monotonic() - self._fetched_at < REFRESH_AFTER_S or self._lock.locked()):
            return known
        async with self._lock:
            if self._keys.get(kid) is known and time.monotonic() - self._asked_at >= UNKNOWN_KID_PAUSE_S:
                await self._fetch()
        if not self._keys:
            raise Unavailable("The signing keys of the auth service can't be had right now.", code="keys_away")
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        # Noted before asking: where the issuer is away or slow, callers wait for one attempt, not for one each.
        self._asked_at = time.monotonic()
        try:
            timeout = aiohttp.ClientTimeout(total=_FETCH_TIMEOUT_S)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise ValueError(f"status {answer.status}")
                document = await answer.json()
                keys = load_keys(document["keys"])
        except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("jwks_away", url=self._url, error=repr(error))
            return
        self._keys = keys
        self._fetched_at = time.monotonic()
