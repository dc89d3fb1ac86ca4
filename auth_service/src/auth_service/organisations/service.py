"""The rules of organisations: members see it, owners say who may join, and one owner is always left.

Whoever changes members takes the organisation's lock, and then looks again what the caller is in it.
"""

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
    person = await _person_id(work, principal)
    await _check_room(work, person)
    made = await work.organisations.add(slug, name)
    if made is None:
        raise Conflict(f"There is an organisation {slug} already.", code="slug_taken")
    await work.organisations.put(made, person, "owner")
    await work.organisations.join(made, person)
    await work.tell(ORGANISATION_MADE, made, OrganisationMade(organisation_id=made, made_by=principal.subject))
    return await mine(work, principal, slug)


async def mine(work: Work, principal: Principal, reference: str) -> OrganisationRecord:
    """The caller's organisation of that slug or id. Raises NotFound, the same for one that they aren't in."""
    found = await work.organisations.find(await _person_id(work, principal), reference)
    if found is None or not found.joined:
        raise _not_in_it()
    return found


async def rename(work: Work, principal: Principal, reference: str, name: str) -> OrganisationRecord:
    """Put another name. Raises NotFound or Forbidden."""
    found = _owned(await _locked(work, principal, reference))
    await work.organisations.rename(found.id, name)
    return await mine(work, principal, reference)


async def put_member(work: Work, principal: Principal, reference: str, user_id: UUID, role: MemberRole) -> MemberRecord:
    """Invite somebody, or change the role of who is in. Raises NotFound, Forbidden, or Conflict for the last owner."""
    found = _owned(await _locked(work, principal, reference))
    known = await work.organisations.member(found.id, user_id)
    return await _put(work, principal, found.id, user_id, role, known)


async def join(work: Work, principal: Principal, reference: str) -> OrganisationRecord:
    """Take up an invitation. Raises NotFound where there is none, Conflict for who is in too many."""
    person = await _person_id(work, principal)
    invited = await work.organisations.find(person, reference)
    if invited is None:
        raise _not_in_it()
    await work.organisations.lock(invited.id)
    invited = await work.organisations.find(person, reference)
    if invited is None:
        raise _not_in_it()
    if not invited.joined:
        await _check_room(work, person)
        await work.organisations.join(invited.id, person)
        await _tell(work, principal, invited.id, person, invited.role)
    return await mine(work, principal, reference)


async def remove_member(work: Work, principal: Principal, reference: str, user_id: UUID) -> None:
    """Take somebody out, or an invitation back. The tokens of who was in are refused within a second.

    Raises NotFound, Forbidden, or Conflict for the last owner.
    """
    found = _owned(await _locked(work, principal, reference))
    await _remove(work, principal, found.id, user_id)


async def leave(work: Work, principal: Principal, reference: str) -> None:
    """Leave, or decline an invitation. Raises NotFound, or Conflict for the last owner."""
    person = await _person_id(work, principal)
    found = await work.organisations.find(person, reference)
    if found is None:
        raise _not_in_it()
    await work.organisations.lock(found.id)
    await _remove(work, principal, found.id, person)


async def administer_member(
    work: Work, principal: Principal, reference: str, user_id: UUID, role: MemberRole
) -> MemberRecord:
    """Change the role of who is in, whoever asks: an organisation may have lost its owners. Nobody is let in so.

    Raises NotFound, or Conflict for the last owner.
    """
    organisation_id = await work.organisations.known(reference)
    if organisation_id is None:
        raise NotFound("There is no such organisation.", code="no_such_organisation")
    await work.organisations.lock(organisation_id)
    known = await work.organisations.member(organisation_id, user_id)
    if known is None or known.joined_at is None:
        raise NotFound("They are not in it.", code="not_a_member")
    return await _put(work, principal, organisation_id, user_id, role, known)


async def _put(
    work: Work, principal: Principal, organisation_id: UUID, user_id: UUID, role: MemberRole, known: MemberRecord | None
) -> MemberRecord:
    if known is not None and known.joined_at is not None and known.role == "owner" and role != "owner":
        await _check_another_owner(work, organisation_id, user_id)
    if not await work.organisations.put(organisation_id, user_id, role):
        raise _nobody()
    if known is None or known.role != role:
        await _tell(work, principal, organisation_id, user_id, role)
    member = await work.organisations.member(organisation_id, user_id)
    if member is None:
        raise RuntimeError("a member vanished within a transaction")
    return member


async def _remove(work: Work, principal: Principal, organisation_id: UUID, user_id: UUID) -> None:
    known = await work.organisations.member(organisation_id, user_id)
    if known is None:
        raise _nobody()
    if known.joined_at is not None:
        if known.role == "owner":
            await _check_another_owner(work, organisation_id, user_id)
        await work.revocations.subject(str(user_id))
    await work.organisations.remove(organisation_id, user_id)
    await _tell(work, principal, organisation_id, user_id, None)


async def _locked(work: Work, principal: Principal, reference: str) -> OrganisationRecord:
    found = await mine(work, principal, reference)
    await work.organisations.lock(found.id)
    return await mine(work, principal, reference)


async def _person_id(work: Work, principal: Principal) -> UUID:
    return (await users.profile(work, principal.subject)).user.id


def _owned(found: OrganisationRecord) -> OrganisationRecord:
    if found.role != "owner":
        raise Forbidden(f"Only an owner of {found.slug} may do that.", code="not_an_owner")
    return found


async def _tell(
    work: Work, principal: Principal, organisation_id: UUID, user_id: UUID, role: MemberRole | None
) -> None:
    moved = MemberMoved(organisation_id=organisation_id, user_id=user_id, role=role, changed_by=principal.subject)
    await work.tell(MEMBER_REMOVED if role is None else MEMBER_CHANGED, organisation_id, moved)


async def _check_room(work: Work, user_id: UUID) -> None:
    await work.organisations.lock(user_id)
    if await work.organisations.count(user_id) >= MOST_ORGANISATIONS:
        raise Conflict(f"You are in {MOST_ORGANISATIONS} organisations, the most there may be.", code="too_many")


async def _check_another_owner(work: Work, organisation_id: UUID, user_id: UUID) -> None:
    if not await work.organisations.has_another_owner(organisation_id, user_id):
        raise Conflict("Nobody else owns it: make somebody an owner first.", code="last_owner")


def _not_in_it() -> NotFound:
    return NotFound("You are in no such organisation.", code="no_such_organisation")


def _nobody() -> NotFound:
    return NotFound("There is no such person.", code="no_such_user")
