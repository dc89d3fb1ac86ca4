"""The rules of organisations: members see it, owners say who is in it, and one owner is always left."""

from uuid import UUID

from auth_service.organisations.events import (
    MEMBER_CHANGED,
    MEMBER_REMOVED,
    ORGANISATION_MADE,
    MemberMoved,
    OrganisationMade,
)
from auth_service.organisations.repository import MemberRecord, MemberRole, OrganisationRecord
from auth_service.storage import Work
from auth_service.users import service as users
from kgents_shared.auth import Principal
from kgents_shared.errors import Conflict, Forbidden, NotFound

# Tokens carry them all, and a header has 8 KiB.
MOST_ORGANISATIONS = 32


async def make(work: Work, principal: Principal, slug: str, name: str) -> OrganisationRecord:
    """A new organisation that the caller owns. Raises NotFound for machines, Conflict for a slug that is taken."""
    person = (await users.profile(work, principal.subject)).user
    await _check_room(work, person.id, "You are")
    made = await work.organisations.add(slug, name)
    if made is None:
        raise Conflict(f"There is an organisation {slug} already.", code="slug_taken")
    await work.organisations.put(made, person.id, "owner")
    await work.tell(ORGANISATION_MADE, made, OrganisationMade(organisation_id=made, made_by=principal.subject))
    return await mine(work, principal, slug)


async def mine(work: Work, principal: Principal, reference: str) -> OrganisationRecord:
    """The caller's organisation of that slug or id. Raises NotFound, the same for one that they aren't in."""
    person = (await users.profile(work, principal.subject)).user
    found = await work.organisations.find(person.id, reference)
    if found is None:
        raise NotFound("You are in no such organisation.", code="no_such_organisation")
    return found


async def rename(work: Work, principal: Principal, reference: str, name: str) -> OrganisationRecord:
    """Put another name. Raises NotFound or Forbidden."""
    found = _owned(await mine(work, principal, reference))
    await work.organisations.rename(found.id, name)
    return await mine(work, principal, reference)


async def put_member(work: Work, principal: Principal, reference: str, user_id: UUID, role: MemberRole) -> MemberRecord:
    """Let somebody in, or change their role. Raises NotFound, Forbidden, or Conflict."""
    found = _owned(await mine(work, principal, reference))
    await work.organisations.lock(found.id)
    known = await work.organisations.member(found.id, user_id)
    if known is None:
        await _check_room(work, user_id, "This person is")
    elif known.role == "owner" and role != "owner":
        await _check_another_owner(work, found.id, user_id)
    if not await work.organisations.put(found.id, user_id, role):
        raise _nobody()
    if known is None or known.role != role:
        moved = MemberMoved(organisation_id=found.id, user_id=user_id, role=role, changed_by=principal.subject)
        await work.tell(MEMBER_CHANGED, found.id, moved)
    member = await work.organisations.member(found.id, user_id)
    if member is None:
        raise RuntimeError("a member vanished within a transaction")
    return member


async def remove_member(work: Work, principal: Principal, reference: str, user_id: UUID) -> None:
    """Take somebody out, or leave. Their tokens are refused within a second; the next ones don't name it any more.

    Raises NotFound, Forbidden, or Conflict for the last owner.
    """
    found = await mine(work, principal, reference)
    if str(user_id) != principal.subject:
        _owned(found)
    await work.organisations.lock(found.id)
    known = await work.organisations.member(found.id, user_id)
    if known is None:
        raise _nobody()
    if known.role == "owner":
        await _check_another_owner(work, found.id, user_id)
    await work.organisations.remove(found.id, user_id)
    await work.revocations.subject(str(user_id))
    moved = MemberMoved(organisation_id=found.id, user_id=user_id, role=None, changed_by=principal.subject)
    await work.tell(MEMBER_REMOVED, found.id, moved)


def _owned(found: OrganisationRecord) -> OrganisationRecord:
    if found.role != "owner":
        raise Forbidden(f"Only an owner of {found.slug} may do that.", code="not_an_owner")
    return found


async def _check_room(work: Work, user_id: UUID, who: str) -> None:
    await work.organisations.lock(user_id)
    if await work.organisations.count(user_id) >= MOST_ORGANISATIONS:
        raise Conflict(f"{who} in {MOST_ORGANISATIONS} organisations, the most there may be.", code="too_many")


async def _check_another_owner(work: Work, organisation_id: UUID, user_id: UUID) -> None:
    if not await work.organisations.has_another_owner(organisation_id, user_id):
        raise Conflict("Nobody else owns it: make somebody an owner first.", code="last_owner")


def _nobody() -> NotFound:
    return NotFound("There is no such person.", code="no_such_user")
