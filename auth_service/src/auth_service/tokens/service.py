"""What people's sessions are: an access token, and a refresh token that changes at each use."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from auth_service.storage import Work
from auth_service.tokens.access_tokens import AccessTokens, Standing
from auth_service.tokens.events import TOKEN_REUSE_DETECTED, TokenReuseDetected
from auth_service.tokens.repository import NewToken, StoredToken
from auth_service.tokens.scopes import ScopeNotGranted, narrowed
from auth_service.users.repository import UserRecord
from kgents_shared.auth import PEOPLE_AUDIENCE
from kgents_shared.db import new_id

PEOPLES_CLIENT = "kgents-cli"
_SECRET_BYTES = 32
REFRESH_PREFIX = "kgr_"


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """An access token, the scopes in it, its lifetime in seconds, and what gets the next one.

    `is_exchanged`: it came of another token (RFC 8693).
    """

    access_token: str
    scopes: frozenset[str]
    expires_in: int
    refresh_token: str | None = None
    is_exchanged: bool = False


class RefreshRefused(Enum):
    """Why a refresh token got nothing. Callers are told of the scope alone; the rest would help a thief."""

    INVALID = "invalid"
    SCOPE = "scope"


class Sessions:
    """Starts and continues people's sessions."""

    def __init__(self, access_tokens: AccessTokens, refresh_lifetime_s: int) -> None:
        self._access_tokens = access_tokens
        self._refresh_lifetime_s = refresh_lifetime_s

    async def start(self, work: Work, user: UserRecord, *, scope: str | None) -> TokenGrant:
        """A session for somebody who has just shown who they are. Raises `ScopeNotGranted`."""
        scopes = narrowed(await work.roles.scopes_of(user.roles), scope)
        first = new_id()
        kept_scope = None if scope is None else " ".join(sorted(scopes))
        secret = await self._add(work, first, family=first, parent=None, user_id=user.id, scope=kept_scope)
        return await self._grant(work, user, scopes, secret, session_id=first)

    async def refresh(
        self, work: Work, refresh_token: str, *, client_id: str = PEOPLES_CLIENT, scope: str | None = None
    ) -> TokenGrant | RefreshRefused:
        """Exchange a refresh token. A refusal is returned, not raised: a killed family must be committed."""
        stored = await work.refresh_tokens.find_locked(_digest(refresh_token))
        if stored is None or stored.client_id != client_id:
            return RefreshRefused.INVALID
        if stored.used:
            return await self._kill(work, stored)
        if stored.revoked or stored.expired:
            return RefreshRefused.INVALID
        user = await work.users.find(stored.user_id)
        if user is None or user.disabled:
            return RefreshRefused.INVALID
        available = await work.roles.scopes_of(user.roles)
        if stored.scope is not None:
            available &= frozenset(stored.scope.split())
        try:
            scopes = narrowed(available, scope)
        except ScopeNotGranted:
            return RefreshRefused.SCOPE
        await work.refresh_tokens.mark_used(stored.id)
        secret = await self._add(
            work, new_id(), family=stored.family_id, parent=stored.id, user_id=user.id, scope=stored.scope
        )
        return await self._grant(work, user, scopes, secret, session_id=stored.family_id)

    async def end(self, work: Work, session_id: UUID) -> None:
        """End one session: its refresh tokens at once, its access tokens within a second."""
        await work.refresh_tokens.revoke_family(session_id)
        await work.revocations.session(session_id)

    async def end_all(self, work: Work, user_id: UUID, *, but: UUID | None = None) -> None:
        """End every session of a person but one. What else was issued to them (API keys) stays."""
        for session_id in await work.refresh_tokens.revoke_all(user_id, but=but):
            await work.revocations.session(session_id)

    async def family_of(self, work: Work, refresh_token: str, user_id: UUID) -> UUID | None:
        """The session of a refresh token, if it is that person's."""
        stored = await work.refresh_tokens.find_locked(_digest(refresh_token))
        return stored.family_id if stored is not None and stored.user_id == user_id else None

    async def living(self, work: Work, refresh_token: str) -> StoredToken | None:
        """A refresh token that would still be taken."""
        stored = await work.refresh_tokens.find_locked(_digest(refresh_token))
        return stored if stored is not None and not (stored.used or stored.revoked or stored.expired) else None

    async def _kill(self, work: Work, stored: StoredToken) -> RefreshRefused:
        if await work.refresh_tokens.revoke_family(stored.family_id):
            await work.revocations.session(stored.family_id)
            told = TokenReuseDetected(user_id=stored.user_id, family_id=stored.family_id, client_id=stored.client_id)
            await work.tell(TOKEN_REUSE_DETECTED, stored.user_id, told)
        return RefreshRefused.INVALID

    async def _add(
        self, work: Work, token_id: UUID, *, family: UUID, parent: UUID | None, user_id: UUID, scope: str | None
    ) -> str:
        secret = REFRESH_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        await work.refresh_tokens.add(
            NewToken(
                id=token_id,
                family_id=family,
                parent_id=parent,
                user_id=user_id,
                client_id=PEOPLES_CLIENT,
                scope=scope,
                token_hash=_digest(secret),
                lifetime_s=self._refresh_lifetime_s,
            )
        )
        return secret

    async def _grant(
        self, work: Work, user: UserRecord, scopes: frozenset[str], refresh_token: str, *, session_id: UUID
    ) -> TokenGrant:
        token = self._access_tokens.issue(
            subject=str(user.id),
            audience=PEOPLE_AUDIENCE,
            client_id=PEOPLES_CLIENT,
            scopes=scopes,
            roles=user.roles,
            epoch=user.token_epoch,
            session_id=session_id,
            standing=Standing(organisations=await work.organisations.of(user.id)),
        )
        return TokenGrant(token, scopes, self._access_tokens.lifetime_s, refresh_token)


def _digest(refresh_token: str) -> bytes:
    """What is stored. The token is 256 random bits, so that a plain hash is enough."""
    return hashlib.sha256(refresh_token.encode("utf-8", "surrogatepass")).digest()
