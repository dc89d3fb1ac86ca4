"""What administrators do with people: make, disable, enable. Nobody is deleted: what they did keeps its name."""

from uuid import UUID

from auth_service.people.identity_provider import Identity, IdentityProvider
from auth_service.people.password_rules import password_fault
from auth_service.people.service import People
from auth_service.roles import service as roles
from auth_service.storage import Storage, Work
from auth_service.tokens.service import Sessions
from auth_service.users.events import USER_DISABLED, USER_ENABLED, UserSwitched
from auth_service.users.repository import UserRecord
from kgents_shared.auth import Principal
from kgents_shared.errors import Conflict, FaultItem, Forbidden, InvalidInput, NotFound


class Administration:
    """The rules of /admin/users. `provider` makes accounts; who comes from an OIDC issuer has theirs there."""

    def __init__(self, storage: Storage, provider: IdentityProvider, people: People, sessions: Sessions) -> None:
        self._storage = storage
        self._provider = provider
        self._people = people
        self._sessions = sessions

    async def make(self, email: str, name: str, *, password: str | None, password_hash: str | None) -> UserRecord:
        """A person with a verified address, by password or by a hash of another system.

        Raises InvalidInput, or Conflict where the address is known.
        """
        identity, is_new = await self._account(email, name, password, password_hash)
        if not is_new:
            raise Conflict("There is somebody with this address already.", code="address_taken")
        async with self._storage.transaction() as work:
            return await self._people.known(work, identity)

    async def switch(self, work: Work, principal: Principal, user_id: UUID, *, disabled: bool) -> None:
        """Disable or enable a person; a disabled one is refused everywhere within a second.

        Raises NotFound, or Conflict for the last administrator.
        """
        user = await person(work, user_id)
        if user.disabled == disabled:
            return
        if disabled:
            if roles.ADMIN in user.roles:
                await roles.check_another_admin(work, user_id)
            await self._sessions.end_all(work, user_id)
            await work.revocations.subject(str(user_id))
        await work.users.set_disabled(user_id, disabled=disabled)
        told = UserSwitched(user_id=user_id, changed_by=principal.subject)
        await work.tell(USER_DISABLED if disabled else USER_ENABLED, user_id, told)

    async def _account(
        self, email: str, name: str, password: str | None, password_hash: str | None
    ) -> tuple[Identity, bool]:
        if password_hash is not None:
            try:
                return await self._provider.take_over(email, name, password_hash)
            except ValueError as error:
                fault = FaultItem(("body", "password_hash"), str(error), "unknown_hash")
                raise InvalidInput("The request has faults; each is listed in errors.", errors=[fault]) from error
        given = password or ""
        fault = password_fault(given, email=email, name=name) or self._provider.password_fault(given, "password")
        if fault is not None:
            raise InvalidInput("The request has faults; each is listed in errors.", errors=[fault])
        return await self._provider.create(email, given, name)


async def person(work: Work, user_id: UUID) -> UserRecord:
    """The person of that id, disabled ones too. Raises NotFound."""
    found = await work.users.find(user_id)
    if found is None:
        raise NotFound("There is no such person.", code="no_such_user")
    return found


async def check_outranks(work: Work, principal: Principal, user: UserRecord) -> None:
    """Raises Forbidden where the person may do something that the caller may not."""
    excess = await work.roles.scopes_of(user.roles) - principal.scopes
    if excess:
        raise Forbidden(f"This person may do what you may not: {' '.join(sorted(excess))}.", code="outranked")
