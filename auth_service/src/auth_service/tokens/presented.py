"""A token that somebody shows: whose it is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jose import jwt
from jose.exceptions import JOSEError

from kgents_shared.auth import PEOPLE_AUDIENCE, Principal, TokenVerifier
from kgents_shared.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class ShownToken:
    """An access token or API key that verified; `claims` are empty for a key."""

    principal: Principal
    claims: Mapping[str, Any]

    @property
    def actor(self) -> Mapping[str, Any] | None:
        """Who acts with it: the claim `act`."""
        return self.claims.get("act")


async def shown_token(verifier: TokenVerifier, targets: frozenset[str], token: str) -> ShownToken | None:
    """The token as the service that it is for would verify it; None for what is no valid token.

    Raises `Unavailable` where that can't be known.
    """
    try:
        claims: dict[str, Any] = jwt.get_unverified_claims(token)
        audience = claims.get("aud")
    except (JOSEError, ValueError, AttributeError, RecursionError):
        claims, audience = {}, PEOPLE_AUDIENCE
    at = verifier.at(audience) if isinstance(audience, str) and audience in targets else verifier
    try:
        principal = await at.verify(token)
    except Unauthenticated:
        return None
    return ShownToken(principal, claims)
