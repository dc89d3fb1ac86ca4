"""What a token says to the client that it was given to (RFC 7662), and its end (RFC 7009)."""

from __future__ import annotations

from typing import Any

from auth_service.machines.repository import ClientRecord
from auth_service.storage import Work
from auth_service.tokens.presented import ShownToken
from auth_service.tokens.service import REFRESH_PREFIX, Sessions
from kgents_shared.auth import PEOPLE_AUDIENCE

_SHOWN_CLAIMS = ("iss", "aud", "iat", "owner", "act", "sid", "roles", "organisations")


class NotThisClients(Exception):
    """The token was given to another client."""


class Inspection:
    """Looks at tokens for clients, and ends them."""

    def __init__(self, sessions: Sessions, issuer: str) -> None:
        self._sessions = sessions
        self._issuer = issuer

    async def introspect(
        self, work: Work, client: ClientRecord, token: str, shown: ShownToken | None
    ) -> dict[str, Any]:
        """RFC 7662 §2.2. A client sees what was given to it; a service of the platform sees every token."""
        if token.startswith(REFRESH_PREFIX):
            found = await self._refresh_token(work, token)
        else:
            found = await _access_token(work, shown)
        if found is None or not (client.kind == "service" or found["client_id"] == client.client_id):
            return {"active": False}
        return {"active": True, **found}

    async def revoke(self, work: Work, client_id: str, token: str, shown: ShownToken | None) -> None:
        """End a token that was given to this client: a refresh token with its session, an access token by itself.

        What is none is no fault (RFC 7009 §2.2). Raises NotThisClients.
        """
        if token.startswith(REFRESH_PREFIX):
            stored = await self._sessions.living(work, token)
            if stored is None:
                return
            _check(stored.client_id, client_id)
            await self._sessions.end(work, stored.family_id)
        elif shown is not None:
            _check(shown.principal.client_id, client_id)
            await work.revocations.token(shown.principal.token_id)

    async def _refresh_token(self, work: Work, token: str) -> dict[str, Any] | None:
        stored = await self._sessions.living(work, token)
        if stored is None:
            return None
        user = await work.users.find(stored.user_id)
        if user is None or user.disabled:
            return None
        scopes = await work.roles.scopes_of(user.roles)
        if stored.scope is not None:
            scopes &= frozenset(stored.scope.split())
        return {
            "sub": str(user.id),
            "client_id": stored.client_id,
            "scope": " ".join(sorted(scopes)),
            "iss": self._issuer,
            "sid": str(stored.family_id),
        }


async def _access_token(work: Work, shown: ShownToken | None) -> dict[str, Any] | None:
    if shown is None or await work.revocations.refuses(shown.principal):
        return None
    principal = shown.principal
    return {
        "sub": principal.subject,
        "client_id": principal.client_id,
        "scope": " ".join(sorted(principal.scopes)),
        "exp": principal.expires_at,
        "jti": principal.token_id,
        "token_type": "Bearer",
        "aud": PEOPLE_AUDIENCE,
        **{name: shown.claims[name] for name in _SHOWN_CLAIMS if name in shown.claims},
    }


def _check(given_to: str, client_id: str) -> None:
    if given_to != client_id:
        raise NotThisClients
