"""What people may see and change of themselves."""

from dataclasses import dataclass
from uuid import UUID

from auth_service.storage import Work
from auth_service.users.repository import UserRecord
from kgents_shared.contracts.standing import Standing
from kgents_shared.errors import NotFound


@dataclass(frozen=True, slots=True)
class Profile:
    """A person and the scopes that their roles bring."""

    user: UserRecord
    scopes: frozenset[str]


async def profile(work: Work, subject: str) -> Profile:
    """The person whose token has `subject`; `NotFound` for machines, the disabled and the deleted."""
    user = await work.users.find(_user_id(subject))
    if user is None or user.disabled:
        raise _nobody()
    return Profile(user, await work.roles.scopes_of(user.roles))


async def rename(work: Work, subject: str, name: str) -> Profile:
    """Set the name of the person whose token has `subject`."""
    found = await profile(work, subject)
    await work.users.rename(found.user.id, name)
    return await profile(work, subject)


async def standing(work: Work, subject: str) -> Standing:
    """What the person of that subject may now; machines, the disabled and those who aren't there may nothing."""
    try:
        found = await profile(work, subject)
    except NotFound:
        return Standing(active=False)
    organisations = await work.organisations.of(found.user.id)
    return Standing(active=True, scopes=sorted(found.scopes), organisations=organisations)


def _user_id(subject: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError:
        raise _nobody() from None


def _nobody() -> NotFound:
    return NotFound("There is no such person; only a person's token has a profile.", code="no_such_user")
