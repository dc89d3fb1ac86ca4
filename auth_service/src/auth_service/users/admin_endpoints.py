"""`/api/v1/admin/users`."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, status

from auth_service.dependencies import PartsDep
from auth_service.people.schemas import NewPerson, normalised
from auth_service.users import administration
from auth_service.users.repository import UserRecord
from auth_service.users.schemas import PersonChange, PersonView
from kgents_shared.auth import Principal, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/admin/users", tags=["admin"])
UsersRead = Annotated[Principal, Depends(require("users:read"))]
UsersWrite = Annotated[Principal, Depends(require("users:write"))]
_Word = Annotated[str | None, Query(max_length=320, pattern=r"^[^\x00]*$")]


@router.get("")
async def list_people(
    page: PageQuery,
    principal: UsersRead,
    parts: PartsDep,
    email: _Word = None,
    role: _Word = None,
    disabled: bool | None = None,
) -> Page[PersonView]:
    """Everybody, newest first; of one address, with one role, disabled or not."""
    del principal
    address = None if email is None else normalised(email)
    async with parts.storage.transaction() as work:
        rows = await work.users.page(page, email=address, role=role, disabled=disabled)
    return make_page(rows, page, item=_view, key=lambda row: (str(row.id),))


@router.post("", status_code=status.HTTP_201_CREATED, responses=refusals(409))
async def create_person(body: NewPerson, principal: UsersWrite, parts: PartsDep) -> PersonView:
    """Make a person who can log in at once."""
    del principal
    password = None if body.password is None else body.password.get_secret_value()
    known_hash = None if body.password_hash is None else body.password_hash.get_secret_value()
    made = await parts.administration.make(body.email, body.name, password=password, password_hash=known_hash)
    return _view(made)


@router.get("/{user_id}")
async def get_person(user_id: UUID, principal: UsersRead, parts: PartsDep) -> PersonView:
    """One person."""
    del principal
    async with parts.storage.transaction() as work:
        return _view(await administration.person(work, user_id))


@router.patch("/{user_id}", responses=refusals(409))
async def change_person(user_id: UUID, body: PersonChange, principal: UsersWrite, parts: PartsDep) -> PersonView:
    """Rename, disable or enable somebody who may no more than the caller."""
    async with parts.storage.transaction() as work:
        await administration.check_outranks(work, principal, await administration.person(work, user_id))
        if body.name is not None:
            await work.users.rename(user_id, body.name)
        if body.disabled is not None:
            await parts.administration.switch(work, principal, user_id, disabled=body.disabled)
        return _view(await administration.person(work, user_id))


def _view(user: UserRecord) -> PersonView:
    return PersonView(
        id=user.id,
        email=user.email,
        name=user.name,
        roles=sorted(user.roles),
        disabled=user.disabled,
        created_at=user.created_at,
    )
