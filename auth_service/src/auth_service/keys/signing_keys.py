"""The keys as this process uses them: one signs, all that are published verify (RFC 7517)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jose import jwk, jwt
from jose.backends.base import Key

from auth_service.keys.key_file import PrivateKey
from kgents_shared.auth import StaticKeySource
from kgents_shared.auth.keys import PURPOSE
from kgents_shared.auth.tokens import TOKEN_TYPE
from kgents_shared.contracts.attestations import ATTESTATION_TYPE
from kgents_shared.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Signing:
    """A key that signs from then on (seconds of `time.time`)."""

    key: PrivateKey
    signs_from: float


@dataclass(frozen=True, slots=True)
class Signed:
    """A compact JWT and the key that it was signed by."""

    jws: str
    kid: str


class SigningKeys:
    """Signs this service's tokens and, as a `KeySource`, verifies them. Until `adopt` it has no keys: nobody is refused
    or let in by keys that may be old.
    """

    def __init__(self) -> None:
        self._signing: list[tuple[float, str, Key]] = []
        self._public: list[dict[str, str]] = []
        self._attesting: list[dict[str, str]] = []
        self._verifying: StaticKeySource | None = None
        self._loaded: dict[str, Key] = {}

    def adopt(
        self,
        signing: Sequence[Signing],
        public: Sequence[Mapping[str, str]],
        attesting: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Use these keys from now on; `public` are those that are published, in any order.

        Those of `attesting` that are not among them are published beside them, for attestations alone.
        """
        known = {key["kid"] for key in public}
        self._attesting = [{**key, PURPOSE: ATTESTATION_TYPE} for key in attesting if key["kid"] not in known]
        for one in signing:
            if one.key.kid not in self._loaded:
                self._loaded[one.key.kid] = jwk.construct(one.key.pem(), "ES256")
        self._loaded = {one.key.kid: self._loaded[one.key.kid] for one in signing}
        self._signing = sorted(
            ((one.signs_from, one.key.kid, self._loaded[one.key.kid]) for one in signing),
            key=lambda entry: entry[0],
            reverse=True,
        )
        shown = [dict(key) for key in public]
        if self._verifying is None or shown != self._public:
            self._public, self._verifying = shown, StaticKeySource(shown)

    async def key(self, kid: str) -> Key | None:
        """The public key of `kid`."""
        if self._verifying is None:
            raise _starting()
        return await self._verifying.key(kid)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK set (RFC 7517 §5): public parts only."""
        if self._verifying is None:
            raise _starting()
        return {"keys": [*self._public, *self._attesting]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token over `claims`, by the newest key whose time has come."""
        return self.sign_as(TOKEN_TYPE, claims).jws

    def sign_as(self, media_type: str, claims: Mapping[str, Any]) -> Signed:
        """The same for a JWT that says it is of another type (RFC 8725 §3.11)."""
        now = time.time()
        found = next((entry for entry in self._signing if entry[0] <= now), None)
        if found is None:
            raise _starting()
        _, kid, key = found
        # python-jose takes a loaded Key too; its stubs know only of text and mappings.
        signer: Any = key
        return Signed(jwt.encode(dict(claims), signer, algorithm="ES256", headers={"typ": media_type, "kid": kid}), kid)


def _starting() -> Unavailable:
    return Unavailable("The signing keys are not loaded yet; try again.", code="starting")
