"""Sessions go on for people whom their provider still lets in."""

from uuid import UUID

from auth_service.people.events import USER_LOGGED_OUT, UserChanged
from auth_service.people.identity_provider import IdentityProvider
from auth_service.storage import Storage
from auth_service.tokens.service import PEOPLES_CLIENT, RefreshRefused, Sessions, TokenGrant


class Refreshing:
    """Exchanges refresh tokens. The provider is asked before, so that no transaction waits for it."""

    def __init__(self, storage: Storage, provider: IdentityProvider, sessions: Sessions) -> None:
        self._storage = storage
        self._provider = provider
        self._sessions = sessions

    async def refresh(
        self, refresh_token: str, *, client_id: str = PEOPLES_CLIENT, scope: str | None = None
    ) -> TokenGrant | RefreshRefused:
        """The next pair. Raises `Unavailable` where the provider can't be asked."""
        if self._provider.shuts_out:
            user_id = await self._shut_out(refresh_token)
            if user_id is not None:
                await self._end_all(user_id)
                return RefreshRefused.INVALID
        async with self._storage.transaction() as work:
            return await self._sessions.refresh(work, refresh_token, client_id=client_id, scope=scope)

    async def _shut_out(self, refresh_token: str) -> UUID | None:
        """Whose token it is, if it would be taken and the provider doesn't let them in any more."""
        async with self._storage.transaction() as work:
            stored = await self._sessions.living(work, refresh_token)
            origin = None if stored is None else await work.users.origin_of(stored.user_id)
        if stored is None or origin is None or origin[0] != self._provider.name:
            return None
        return None if await self._provider.lets_in(origin[1]) else stored.user_id

    async def _end_all(self, user_id: UUID) -> None:
        async with self._storage.transaction() as work:
            await self._sessions.end_all(work, user_id)
            await work.revocations.subject(str(user_id))
            await work.tell(USER_LOGGED_OUT, user_id, UserChanged(user_id=user_id))
