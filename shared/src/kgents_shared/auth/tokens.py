"""Verification of access tokens: RFC 9068 JWTs, ES256 and nothing else (DESIGN §3)."""

import hashlib
import time
from typing import Any, cast

from jose import jws, jwt
from jose.exceptions import JOSEError

from kgents_shared.auth.api_keys import CLIENT_ID as API_KEY_CLIENT
from kgents_shared.auth.api_keys import PREFIX as API_KEY_PREFIX
from kgents_shared.auth.api_keys import key_id_of
from kgents_shared.auth.principal import Principal, PrincipalKind
from kgents_shared.auth.source import IdentitySource
from kgents_shared.errors import Unauthenticated

PEOPLE_AUDIENCE = "kgents"
TOKEN_TYPE = "at+jwt"  # noqa: S105 -- the media type of RFC 9068, not a secret
MAX_TOKEN_CHARS = 8192
LEEWAY_S = 5
_CACHE_SIZE = 10_000
# An API key is asked about again after this time, so that its scopes follow its owner's.
_KEY_KEPT_S = 60
_REFUSED = "The access token is not valid here. Get a new one and try again."


class TokenVerifier:
    """Turns a bearer into a `Principal`, keeping what it verified until it expires.

    `service_name` is the audience under which a service's own tokens come in; `kgents` is everybody else's.
    """

    def __init__(self, issuer: str, source: IdentitySource, service_name: str) -> None:
        self._issuer = issuer
        self._source = source
        self._keys = source.keys
        self._revocations = source.revocations
        self._api_keys = source.api_keys
        self._service_name = service_name
        self._verified: dict[bytes, Principal] = {}

    def at(self, service_name: str) -> "TokenVerifier":
        """The same knowledge, as the service of that name verifies; what one keeps the other doesn't."""
        return TokenVerifier(self._issuer, self._source, service_name)

    async def verify(self, bearer: str) -> Principal:
        """The principal of a token or an API key.

        Raises `Unauthenticated` for every fault alike, and `Unavailable` where it can't be known.
        """
        if not self._revocations.is_fresh:
            await self._revocations.catch_up()
        digest = hashlib.blake2b(bearer.encode("utf-8", "replace"), digest_size=16).digest()
        known = self._verified.get(digest)
        if known is not None:
            if known.expires_at > time.time() and not self._revocations.refuses(known):
                return known
            del self._verified[digest]
        if bearer.startswith(API_KEY_PREFIX):
            principal = await self._key_holder(bearer)
        else:
            principal = self._principal(await self._claims(bearer))
        if self._revocations.refuses(principal):
            raise _refused()
        if len(self._verified) >= _CACHE_SIZE:
            self._verified.clear()
        self._verified[digest] = principal
        return principal

    async def _key_holder(self, key: str) -> Principal:
        found = None if key_id_of(key) is None else await self._api_keys.resolve(key)
        if found is None:
            raise _refused()
        return Principal(
            subject=found.subject,
            kind="person",
            owner_id=found.subject,
            client_id=API_KEY_CLIENT,
            scopes=frozenset(found.scopes),
            roles=frozenset(found.roles),
            token_id=found.key_id,
            expires_at=min(found.expires_at, int(time.time()) + _KEY_KEPT_S),
            epoch=found.epoch,
            organisations=found.organisations,
        )

    async def _claims(self, bearer: str) -> dict[str, Any]:
        try:
            if len(bearer) > MAX_TOKEN_CHARS:
                raise _refused()
            header = jws.get_unverified_header(bearer)
            kid = header.get("kid")
            if header.get("alg") != "ES256" or header.get("typ") != TOKEN_TYPE or not isinstance(kid, str):
                raise _refused()
            # An extension that must be understood isn't (RFC 7515 §4.1.11).
            if "crit" in header:
                raise _refused()
            key = await self._keys.key(kid)
            if key is None:
                raise _refused()
            options = {"verify_aud": False, "require_exp": True, "require_iat": True, "require_sub": True, "leeway": 0}
            return jwt.decode(bearer, cast("Any", key), algorithms=["ES256"], issuer=self._issuer, options=options)
        # RecursionError: a header of nested brackets; OverflowError: a time that is infinite.
        except (JOSEError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
            raise _refused() from error

    def _principal(self, claims: dict[str, Any]) -> Principal:
        now = time.time()
        audience = claims.get("aud")
        subject, client_id, token_id = claims.get("sub"), claims.get("client_id"), claims.get("jti")
        expires_at, issued_at = claims.get("exp"), claims.get("iat")
        scope, roles = claims.get("scope", ""), claims.get("roles", [])
        epoch, session_id, actor = claims.get("epoch", 0), claims.get("sid"), claims.get("act")
        owner, organisations = claims.get("owner", subject), claims.get("organisations", {})
        depends_on, derived_from = claims.get("depends_on", {}), claims.get("derived_from", [])
        if not (
            isinstance(subject, str)
            and isinstance(client_id, str)
            and isinstance(token_id, str)
            and isinstance(expires_at, int)
            and isinstance(issued_at, int)
            and issued_at <= now + LEEWAY_S
            and now < expires_at  # on its second it is over already (RFC 7519 §4.1.4); jose gives it that second
            and isinstance(scope, str)
            and isinstance(roles, list)
            and isinstance(epoch, int)
            and (session_id is None or isinstance(session_id, str))
            and (actor is None or isinstance(actor, dict))
            and isinstance(owner, str)
            and _is_texts(organisations)
            and _are_epochs(depends_on)
            and isinstance(derived_from, list)
        ):
            raise _refused()
        if audience == self._service_name and subject == client_id:
            kind: PrincipalKind = "service"
        elif audience == PEOPLE_AUDIENCE:
            kind = "machine" if subject == client_id else "person"
        else:
            raise _refused()
        return Principal(
            subject=subject,
            kind=kind,
            owner_id=owner,
            client_id=client_id,
            scopes=frozenset(scope.split()),
            roles=frozenset(str(role) for role in cast("list[Any]", roles)),
            token_id=token_id,
            expires_at=expires_at,
            session_id=session_id,
            epoch=epoch,
            actor=None if actor is None else str(cast("dict[str, Any]", actor).get("sub", "")),
            organisations=cast("dict[str, str]", organisations),
            depends_on=tuple(cast("dict[str, int]", depends_on).items()),
            derived_from=frozenset(str(each) for each in cast("list[Any]", derived_from)),
        )


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in cast("dict[Any, Any]", value).values())


def _are_epochs(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, int) for each in cast("dict[Any, Any]", value).values())


def _refused() -> Unauthenticated:
    return Unauthenticated(_REFUSED, code="invalid_token", token_given=True)
