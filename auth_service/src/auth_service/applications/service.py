"""The rules of applications: nobody gives one more than they have, and no secret outlives its purpose."""

import difflib
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth_service.applications.events import (
    CLIENT_CHANGED,
    CLIENT_DELETED,
    CLIENT_MADE,
    SECRET_DELETED,
    SECRET_ROTATED,
    ClientChanged,
    ClientSecretChanged,
)
from auth_service.applications.repository import Application, SecretRecord
from auth_service.applications.schemas import ClientChange, NewClient
from auth_service.in_person import check_in_person
from auth_service.machines.assertions import KeyUnusable, registered
from auth_service.machines.service import secret_hash
from auth_service.storage import Work
from auth_service.users import service as users
from kgents_shared.auth import ALL_SCOPES, Principal
from kgents_shared.db import new_id
from kgents_shared.errors import Conflict, FaultItem, Forbidden, InvalidInput, NotFound

SECRET_PREFIX = "kgs_"  # noqa: S105 -- what every secret begins with, so that scanners find it
_ID_PREFIX = "app_"
_SECRET_BYTES = 32
_MOST_APPLICATIONS = 100
_FAULTS = "The request has faults; each is listed in errors."


async def make(work: Work, principal: Principal, wanted: NewClient) -> tuple[Application, str | None]:
    """A new application of the caller's, and its secret this once, None where it signs.

    Raises Forbidden, InvalidInput, Conflict, or NotFound for a caller who is no person.
    """
    owner_id = await _owner(work, principal)
    _check_scopes(principal, wanted.scopes)
    jwks = None if wanted.jwks is None else _checked_keys(wanted.jwks.keys)
    if await work.applications.count(owner_id) >= _MOST_APPLICATIONS:
        raise Conflict(f"You have {_MOST_APPLICATIONS} applications; delete one.", code="too_many_clients")
    client_id = f"{_ID_PREFIX}{new_id().hex}"
    scopes = sorted(frozenset(wanted.scopes))
    await work.applications.add(client_id, owner_id=owner_id, name=wanted.name, scopes=scopes, jwks=jwks)
    secret = None
    if jwks is None:
        _, secret = await _add_secret(work, client_id)
    made = await own(work, principal, client_id)
    await _tell(work, principal, CLIENT_MADE, made)
    return made, secret


async def own(work: Work, principal: Principal, client_id: str, *, lock: bool = False) -> Application:
    """An application of the caller's. Raises NotFound, alike for another's."""
    owner = await users.profile(work, principal.subject)
    found = await work.applications.find(client_id, owner.user.id, lock=lock)
    if found is None:
        raise no_such_client()
    return found


async def change(work: Work, principal: Principal, client_id: str, wanted: ClientChange) -> Application:
    """Change an application. Where its scopes or keys change, its tokens are refused. Raises as `make` does."""
    await _owner(work, principal)
    known = await own(work, principal, client_id, lock=True)
    changed: dict[str, Any] = {}
    if wanted.name is not None:
        changed["name"] = wanted.name
    if wanted.scopes is not None:
        _check_scopes(principal, wanted.scopes, known.scopes)
        changed["scopes"] = sorted(frozenset(wanted.scopes))
    if wanted.jwks is not None:
        changed["jwks"] = _checked_keys(wanted.jwks.keys)
    if changed:
        await work.applications.change(client_id, **changed)
        if changed.keys() & {"scopes", "jwks"}:
            await work.revocations.subject(client_id)
        await _tell(work, principal, CLIENT_CHANGED, known)
    return await own(work, principal, client_id)


async def rotate_secret(
    work: Work, principal: Principal, client_id: str, *, overlap_s: int
) -> tuple[SecretRecord, str]:
    """A new secret. The newest so far works for `overlap_s` more seconds, older ones no longer: at most two work.

    With no overlap the tokens that the old ones got are refused too. Raises Forbidden, Conflict or NotFound.
    """
    await _owner(work, principal)
    known = await own(work, principal, client_id, lock=True)
    if known.jwks is not None:
        raise Conflict("This application signs (private_key_jwt) and has no secret.", code="client_signs")
    for place, old in enumerate(known.secrets):
        if place == 0 and overlap_s > 0:
            await work.applications.end_secret(old.id, in_s=overlap_s)
        else:
            await work.applications.delete_secret(old.id)
    if overlap_s == 0:
        await work.revocations.subject(client_id)
    record, secret = await _add_secret(work, client_id)
    await _tell_secret(work, principal, SECRET_ROTATED, known, record.id)
    return record, secret


async def delete_secret(work: Work, principal: Principal, client_id: str, secret_id: UUID) -> None:
    """Delete a secret; the application's tokens are refused too. Raises NotFound."""
    known = await own(work, principal, client_id, lock=True)
    if secret_id not in {one.id for one in known.secrets}:
        raise NotFound("The application has no such secret.", code="no_such_secret")
    await work.applications.delete_secret(secret_id)
    await work.revocations.subject(client_id)
    await _tell_secret(work, principal, SECRET_DELETED, known, secret_id)


async def delete(work: Work, principal: Principal, known: Application) -> None:
    """Delete an application: its tokens, and those that it acts with, are refused within a second."""
    await work.revocations.subject(known.client_id)
    await work.applications.delete(known.client_id)
    await _tell(work, principal, CLIENT_DELETED, known)


async def any_application(work: Work, principal: Principal, client_id: str) -> Application:
    """An application to administer. Raises NotFound, Conflict for a service, Forbidden where it may what the caller
    may not.
    """
    found = await work.applications.find(client_id, lock=True)
    if found is None:
        raise no_such_client()
    if found.kind == "service":
        raise Conflict("A service of the platform is kept in its settings.", code="client_is_service")
    brought = await work.roles.scopes_of(frozenset(found.roles))
    excess = (brought | frozenset(found.scopes)) - principal.scopes
    if excess:
        raise Forbidden(f"This client may do what you may not: {' '.join(sorted(excess))}.", code="outranked")
    return found


async def administer(
    work: Work, principal: Principal, client_id: str, *, disabled: bool | None, may_exchange: bool | None
) -> Application:
    """Disable or enable an application, let it act for people or not. What is taken is gone within a second."""
    known = await any_application(work, principal, client_id)
    if disabled is not None and disabled != known.disabled:
        await work.applications.switch(client_id, disabled=disabled)
    if may_exchange is not None:
        await work.applications.change(client_id, may_exchange=may_exchange)
    if disabled or may_exchange is False:
        await work.revocations.subject(client_id)
    await _tell(work, principal, CLIENT_CHANGED, known)
    return await any_application(work, principal, client_id)


def no_such_client() -> NotFound:
    """There is none of that id, or it is another's."""
    return NotFound("There is no such application.", code="no_such_client")


async def _owner(work: Work, principal: Principal) -> UUID:
    """The person who asks. What lasts is made by somebody who logged in, not by what they lent out."""
    check_in_person(principal)
    return (await users.profile(work, principal.subject)).user.id


async def _add_secret(work: Work, client_id: str) -> tuple[SecretRecord, str]:
    secret = SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    return await work.applications.add_secret(new_id(), client_id, secret_hash(secret)), secret


def _check_scopes(principal: Principal, scopes: Sequence[str], kept: Sequence[str] = ()) -> None:
    faults = [_fault(place, scope) for place, scope in enumerate(scopes) if scope not in {*principal.scopes, *kept}]
    if faults:
        raise InvalidInput(_FAULTS, errors=faults)


def _fault(place: int, scope: str) -> FaultItem:
    where = ("body", "scopes", place)
    if scope in ALL_SCOPES:
        return FaultItem(where, f"{scope} is not yours to give", "invalid_scope")
    near = difflib.get_close_matches(scope, ALL_SCOPES, n=1)
    return FaultItem(where, "is no scope", "unknown_scope", f'did you mean "{near[0]}"?' if near else None)


def _checked_keys(keys: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    faults: list[FaultItem] = []
    for place, key in enumerate(keys):
        try:
            kept.append(registered(key))
        except KeyUnusable as error:
            faults.append(FaultItem(("body", "jwks", "keys", place), str(error), "unusable_key"))
    names = [key["kid"] for key in kept if "kid" in key]
    if len(set(names)) != len(names):
        faults.append(FaultItem(("body", "jwks", "keys"), "have the same kid", "duplicate_kid"))
    if faults:
        raise InvalidInput(_FAULTS, errors=faults)
    return kept


async def _tell(work: Work, principal: Principal, event: str, about: Application) -> None:
    if about.owner_id is not None:
        told = ClientChanged(client_id=about.client_id, owner_id=about.owner_id, changed_by=principal.subject)
        await work.tell(event, about.client_id, told)


async def _tell_secret(work: Work, principal: Principal, event: str, about: Application, secret_id: UUID) -> None:
    if about.owner_id is not None:
        told = ClientSecretChanged(
            client_id=about.client_id, owner_id=about.owner_id, changed_by=principal.subject, secret_id=secret_id
        )
        await work.tell(event, about.client_id, told)
