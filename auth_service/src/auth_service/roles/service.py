"""The rules of roles: nobody gives what they don't have, and one admin is always left."""

import difflib
from collections.abc import Sequence
from uuid import NAMESPACE_URL, UUID, uuid5

from auth_service.roles.events import ROLE_CHANGED, ROLE_DELETED, ROLE_GIVEN, ROLE_TAKEN, RoleChanged, RoleMoved
from auth_service.roles.repository import Assignment, RoleRecord
from auth_service.storage import Work
from kgents_shared.auth import ALL_SCOPES, ROLE_SCOPES, Principal
from kgents_shared.errors import Conflict, FaultItem, Forbidden, InvalidInput, NotFound

ADMIN = "admin"


async def role(work: Work, name: str) -> RoleRecord:
    """The role of that name. Raises NotFound."""
    found = await work.roles.find(name)
    if found is None:
        raise NotFound("There is no such role.", code="no_such_role")
    return found


async def make(work: Work, principal: Principal, name: str, description: str, permissions: Sequence[str]) -> RoleRecord:
    """A new role. Raises InvalidInput, Forbidden, or Conflict for a name that is taken."""
    _check(principal, permissions)
    if not await work.roles.add(name, description):
        raise Conflict(f"There is a role {name} already.", code="name_taken")
    await work.roles.set_permissions(name, frozenset(permissions))
    await work.tell(ROLE_CHANGED, _event_id(name), RoleChanged(role=name, changed_by=principal.subject))
    return await role(work, name)


async def change(
    work: Work, principal: Principal, name: str, description: str, permissions: Sequence[str]
) -> RoleRecord:
    """Make the role bring other scopes; its holders' tokens are refused, so that they get new ones.

    Raises NotFound, Conflict for a seeded role, InvalidInput or Forbidden.
    """
    known = _changeable(await role(work, name))
    _check(principal, [*permissions, *known.permissions], given=len(permissions))
    await work.roles.describe(name, description)
    await work.roles.set_permissions(name, frozenset(permissions))
    if frozenset(permissions) != frozenset(known.permissions):
        for holder in await work.roles.holders(name):
            await work.revocations.subject(holder.subject)
    await work.tell(ROLE_CHANGED, _event_id(name), RoleChanged(role=name, changed_by=principal.subject))
    return await role(work, name)


async def delete(work: Work, principal: Principal, name: str) -> None:
    """Delete a role that nobody has. Raises NotFound, or Conflict for a seeded one and one in use."""
    _changeable(await role(work, name))
    if await work.roles.holders(name):
        raise Conflict(f"Somebody has the role {name}: take it away from them first.", code="role_in_use")
    await work.roles.delete(name)
    await work.tell(ROLE_DELETED, _event_id(name), RoleChanged(role=name, changed_by=principal.subject))


async def assign(work: Work, principal: Principal, given: Assignment) -> None:
    """Give a role. Raises NotFound for an unknown role, person or client, and Forbidden."""
    found = await work.roles.find(given.role)
    if found is None:
        raise _unknown_holder()
    _check_holds(principal, found)
    if await work.roles.assign(given):
        await work.revocations.subject(given.subject)
        moved = RoleMoved(role=given.role, subject=given.subject, changed_by=principal.subject)
        await work.tell(ROLE_GIVEN, _event_id(given.role), moved)
        return
    page = await work.roles.holders(given.role)
    if given not in page:
        raise _unknown_holder()


async def take(work: Work, principal: Principal, given: Assignment) -> None:
    """Take a role away. Raises NotFound, Forbidden, or Conflict where nobody would be left to administer."""
    found = await work.roles.find(given.role)
    if found is None:
        raise _unknown_holder()
    _check_holds(principal, found)
    if given.role == ADMIN and given.user_id is not None:
        await check_another_admin(work, given.user_id)
    if not await work.roles.take(given):
        raise _unknown_holder()
    await work.revocations.subject(given.subject)
    moved = RoleMoved(role=given.role, subject=given.subject, changed_by=principal.subject)
    await work.tell(ROLE_TAKEN, _event_id(given.role), moved)


async def check_another_admin(work: Work, user_id: UUID) -> None:
    """Raises Conflict where nobody but this person administers the place."""
    if not await work.roles.another_has(ADMIN, user_id):
        raise Conflict("Nobody else is an administrator: make somebody one first.", code="last_admin")


def _changeable(known: RoleRecord) -> RoleRecord:
    if known.name in ROLE_SCOPES:
        raise Conflict(f"{known.name} is one of the roles that every installation has.", code="role_is_seeded")
    return known


def _check(principal: Principal, permissions: Sequence[str], given: int | None = None) -> None:
    """Each of `permissions` is known and the caller's own; the first `given` of them stand in the body."""
    written = permissions if given is None else permissions[:given]
    faults = [_unknown(place, scope) for place, scope in enumerate(written) if scope not in ALL_SCOPES]
    if faults:
        raise InvalidInput("The request has faults; each is listed in errors.", errors=faults)
    excess = frozenset(permissions) - principal.scopes
    if excess:
        raise Forbidden(f"You can't give or take what you don't have: {' '.join(sorted(excess))}.", code="not_yours")


def _check_holds(principal: Principal, found: RoleRecord) -> None:
    _check(principal, found.permissions)


def _unknown(place: int, scope: str) -> FaultItem:
    near = difflib.get_close_matches(scope, ALL_SCOPES, n=1)
    hint = f'did you mean "{near[0]}"?' if near else "GET /admin/permissions lists them"
    return FaultItem(("body", "permissions", place), "is no permission", "unknown_permission", hint)


def _unknown_holder() -> NotFound:
    return NotFound("There is no such role, or nobody like that.", code="no_such_assignment")


def _event_id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"kgents:role:{name}")
