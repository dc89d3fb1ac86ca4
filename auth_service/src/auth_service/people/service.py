"""The rules of registering and logging in."""

from uuid import UUID

from auth_service.people.events import (
    REGISTRATION_REPEATED,
    USER_LOGGED_IN,
    USER_REGISTERED,
    UserLoggedIn,
    UserRegistered,
)
from auth_service.people.identity_provider import Identity, IdentityProvider
from auth_service.people.password_rules import password_fault
from auth_service.storage import Work
from auth_service.tokens.service import PEOPLES_CLIENT, Sessions, TokenGrant
from auth_service.users.repository import UserRecord
from kgents_shared.errors import Forbidden, InvalidInput, Unauthenticated

FIRST_ROLE = "developer"


class People:
    """People come in through an identity provider; what they may do is decided here."""

    def __init__(self, provider: IdentityProvider, sessions: Sessions, *, verifies: bool) -> None:
        self._verifies = verifies
        self._provider = provider
        self._sessions = sessions

    async def take(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """Have the provider register somebody. Raises `InvalidInput` for a password that anybody would guess."""
        fault = password_fault(password, email=email, name=name) or self._provider.password_fault(password, "password")
        if fault is not None:
            raise InvalidInput("The request has faults; each is listed in errors.", errors=[fault])
        return await self._provider.register(email, password, name)

    async def record(self, work: Work, identity: Identity, *, is_new: bool) -> None:
        """Store what `take` gave. Both cases write as much, so that time tells nothing."""
        user_id, user_is_new = await self._ensure(work, identity, self._provider.name)
        told = UserRegistered(user_id=user_id, identity_provider=self._provider.name)
        await work.tell(USER_REGISTERED if is_new or user_is_new else REGISTRATION_REPEATED, user_id, told)
        await work.mail.ask("registered" if is_new else "registered_again", identity.email)

    async def authenticate(self, email: str, password: str) -> Identity:
        """Who that is. Raises `Unauthenticated` alike for an unknown address and a wrong password.

        Raises `Forbidden` for an address that must be verified first; that is told to who knows the password alone.
        """
        identity = await self._provider.authenticate(email, password)
        if identity is None:
            raise Unauthenticated("The address or the password is wrong.", code="invalid_credentials")
        if self._verifies and not await self._provider.is_verified(identity.subject):
            raise Forbidden(
                "This address isn't verified yet: use the token in the mail that was sent to it.",
                code="email_not_verified",
            )
        return identity

    async def log_in(self, work: Work, identity: Identity, *, scope: str | None) -> TokenGrant:
        """Tokens for somebody who was authenticated. Raises `Forbidden` for the disabled, `ScopeNotGranted`."""
        return await self.let_in(work, await self.known(work, identity), scope=scope)

    async def let_in(self, work: Work, user: UserRecord, *, scope: str | None) -> TokenGrant:
        """Tokens for a person who has shown who they are. Raises `Forbidden` for the disabled, `ScopeNotGranted`."""
        if user.disabled:
            raise Forbidden("This account is disabled; ask an administrator.", code="account_disabled")
        grant = await self._sessions.start(work, user, scope=scope)
        await work.tell(USER_LOGGED_IN, user.id, UserLoggedIn(user_id=user.id, client_id=PEOPLES_CLIENT))
        return grant

    async def known(self, work: Work, identity: Identity, *, provider: str | None = None) -> UserRecord:
        """The person of an identity; one whom the provider knows and we don't is stored now.

        The identity is of people's own provider, or of the one that is named.
        """
        named = provider or self._provider.name
        user_id, is_new = await self._ensure(work, identity, named)
        if is_new:
            told = UserRegistered(user_id=user_id, identity_provider=named)
            await work.tell(USER_REGISTERED, user_id, told)
        user = await work.users.find(user_id)
        if user is None:
            raise RuntimeError("a person vanished within a transaction")
        return user

    async def _ensure(self, work: Work, identity: Identity, provider: str) -> tuple[UUID, bool]:
        return await work.users.ensure(provider, identity.subject, identity.email, identity.name, role=FIRST_ROLE)
