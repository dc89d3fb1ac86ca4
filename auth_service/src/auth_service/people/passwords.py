"""Another password: by who knows the old one, or by who reads the mails of the address."""

from uuid import UUID

from auth_service.mail.post_office import digest
from auth_service.people.events import EMAIL_VERIFIED, PASSWORD_CHANGED, UserChanged
from auth_service.people.identity_provider import Identity, IdentityProvider
from auth_service.people.password_rules import password_fault
from auth_service.people.service import People
from auth_service.storage import Storage
from auth_service.tokens.service import Sessions
from auth_service.users import service as users
from kgents_shared.auth import Principal
from kgents_shared.errors import FaultItem, Forbidden, InvalidInput, Unauthenticated


class MailedTokenRefused(InvalidInput):
    """422: the token of a mail is none."""

    def __init__(self) -> None:
        fault = FaultItem(("body", "token"), "is unknown, used or too old", "invalid_token", "ask for another mail")
        super().__init__("The request has faults; each is listed in errors.", errors=[fault])


class Passwords:
    """Changes of passwords. Sessions end before the password changes: what fails in between lets nobody stay."""

    def __init__(self, storage: Storage, provider: IdentityProvider, people: People, sessions: Sessions) -> None:
        self._storage = storage
        self._provider = provider
        self._people = people
        self._sessions = sessions

    async def change(self, principal: Principal, current: str, new: str) -> None:
        """The caller's other sessions end. Raises Unauthenticated, Forbidden or InvalidInput."""
        if principal.session_id is None:
            raise Forbidden("A password is changed by its person: log in.", code="login_required")
        async with self._storage.transaction() as work:
            user = (await users.profile(work, principal.subject)).user
        identity = await self._provider.authenticate(user.email, current)
        # Whoever comes from elsewhere has no password here; the one of an account with the same address isn't theirs.
        if identity is None or not await self._is_theirs(identity, user.id):
            raise Unauthenticated("The current password is wrong.", code="invalid_credentials", token_given=True)
        self._check(new, identity, "new_password")
        async with self._storage.transaction() as work:
            await self._sessions.end_all(work, user.id, but=UUID(principal.session_id))
            await work.tell(PASSWORD_CHANGED, user.id, UserChanged(user_id=user.id))
        await self._provider.set_password(identity.subject, new)

    async def reset(self, token: str, new: str) -> None:
        """Every session ends, and the address is verified: its mail was read. Raises InvalidInput."""
        async with self._storage.transaction() as work:
            identity = await work.mail.peek("reset", digest(token))
        if identity is None:
            raise MailedTokenRefused()
        self._check(new, identity, "password")
        async with self._storage.transaction() as work:
            if await work.mail.use("reset", digest(token)) is None:
                raise MailedTokenRefused()
            user = await self._people.known(work, identity)
            await self._sessions.end_all(work, user.id)
            await work.revocations.subject(str(user.id))
            await work.tell(PASSWORD_CHANGED, user.id, UserChanged(user_id=user.id))
        await self._provider.set_password(identity.subject, new)
        await self._provider.mark_verified(identity)

    async def verify(self, token: str) -> None:
        """The address is shown to be its person's. Raises InvalidInput."""
        async with self._storage.transaction() as work:
            identity = await work.mail.use("verify", digest(token))
            if identity is None:
                raise MailedTokenRefused()
            user = await self._people.known(work, identity)
            await work.tell(EMAIL_VERIFIED, user.id, UserChanged(user_id=user.id))
        await self._provider.mark_verified(identity)

    async def _is_theirs(self, identity: Identity, user_id: UUID) -> bool:
        async with self._storage.transaction() as work:
            return await work.users.id_of(self._provider.name, identity.subject) == user_id

    def _check(self, password: str, identity: Identity, field: str) -> None:
        fault = password_fault(password, email=identity.email, name=identity.name, field=field)
        fault = fault or self._provider.password_fault(password, field)
        if fault is not None:
            raise InvalidInput("The request has faults; each is listed in errors.", errors=[fault])
