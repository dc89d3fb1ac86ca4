"""`/api/v1/organisations`."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, status

from auth_service.dependencies import PartsDep
from auth_service.organisations import service
from auth_service.organisations.repository import OrganisationRecord
from auth_service.organisations.schemas import (
    MemberChange,
    MemberView,
    NewOrganisation,
    OrganisationChange,
    OrganisationView,
)
from auth_service.users import service as users
from kgents_shared.auth import Principal, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/organisations", tags=["organisations"])
admin_router = Router(prefix="/api/v1/admin/organisations", tags=["admin"])
OrganisationsRead = Annotated[Principal, Depends(require("organisations:read"))]
OrganisationsWrite = Annotated[Principal, Depends(require("organisations:write"))]
OrganisationsAdmin = Annotated[Principal, Depends(require("organisations:write", "users:write"))]
ThisOrganisation = Annotated[str, Path(max_length=40, pattern=r"^[a-z0-9-]+$", description="its slug or its id")]


@router.post("", status_code=status.HTTP_201_CREATED, responses=refusals(404, 409))
async def create_organisation(
    body: NewOrganisation, principal: OrganisationsWrite, parts: PartsDep
) -> OrganisationView:
    """Make an organisation that the caller owns. Their next access token (`/auth/refresh`) opens it."""
    async with parts.storage.transaction() as work:
        return _view(await service.make(work, principal, body.slug, body.name))


@router.get("", responses=refusals(404))
async def list_organisations(page: PageQuery, principal: OrganisationsRead, parts: PartsDep) -> Page[OrganisationView]:
    """The caller's organisations and invitations, by slug."""
    async with parts.storage.transaction() as work:
        person = (await users.profile(work, principal.subject)).user
        rows = await work.organisations.page(person.id, page)
    return make_page(rows, page, item=_view, key=lambda row: (row.slug,))


@router.get("/{organisation}")
async def get_organisation(
    organisation: ThisOrganisation, principal: OrganisationsRead, parts: PartsDep
) -> OrganisationView:
    """One of the caller's organisations."""
    async with parts.storage.transaction() as work:
        return _view(await service.mine(work, principal, organisation))


@router.patch("/{organisation}")
async def change_organisation(
    organisation: ThisOrganisation, body: OrganisationChange, principal: OrganisationsWrite, parts: PartsDep
) -> OrganisationView:
    """Rename an organisation that the caller owns."""
    async with parts.storage.transaction() as work:
        return _view(await service.rename(work, principal, organisation, body.name))


@router.post("/{organisation}/join", responses=refusals(409))
async def join_organisation(
    organisation: ThisOrganisation, principal: OrganisationsRead, parts: PartsDep
) -> OrganisationView:
    """Take up an invitation. The caller's next access token (`/auth/refresh`) opens it."""
    async with parts.storage.transaction() as work:
        return _view(await service.join(work, principal, organisation))


@router.post("/{organisation}/leave", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(409))
async def leave_organisation(organisation: ThisOrganisation, principal: OrganisationsRead, parts: PartsDep) -> None:
    """Leave, or decline an invitation. What the organisation has is closed to the caller within a second."""
    async with parts.storage.transaction() as work:
        await service.leave(work, principal, organisation)


@router.get("/{organisation}/members")
async def list_members(
    organisation: ThisOrganisation, page: PageQuery, principal: OrganisationsRead, parts: PartsDep
) -> Page[MemberView]:
    """Who is in it, and who is invited."""
    async with parts.storage.transaction() as work:
        found = await service.mine(work, principal, organisation)
        rows = await work.organisations.members(found.id, page)
    return make_page(rows, page, item=MemberView.model_validate, key=lambda row: (str(row.user_id),))


@router.put("/{organisation}/members/{user_id}", responses=refusals(409))
async def put_member(
    organisation: ThisOrganisation,
    user_id: UUID,
    body: MemberChange,
    principal: OrganisationsWrite,
    parts: PartsDep,
) -> MemberView:
    """Invite somebody by their id (of their `/users/me`), or change their role."""
    async with parts.storage.transaction() as work:
        member = await service.put_member(work, principal, organisation, user_id, body.role)
    return MemberView.model_validate(member)


@router.delete("/{organisation}/members/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(409))
async def delete_member(
    organisation: ThisOrganisation, user_id: UUID, principal: OrganisationsWrite, parts: PartsDep
) -> None:
    """Take somebody out, or an invitation back. What it has is closed to who was in within a second."""
    async with parts.storage.transaction() as work:
        await service.remove_member(work, principal, organisation, user_id)


@admin_router.put("/{organisation}/members/{user_id}", responses=refusals(409))
async def administer_member(
    organisation: ThisOrganisation,
    user_id: UUID,
    body: MemberChange,
    principal: OrganisationsAdmin,
    parts: PartsDep,
) -> MemberView:
    """Change the role of who is in an organisation, as where its only owner is gone. Nobody is let in by this."""
    async with parts.storage.transaction() as work:
        member = await service.administer_member(work, principal, organisation, user_id, body.role)
    return MemberView.model_validate(member)


def _view(found: OrganisationRecord) -> OrganisationView:
    return OrganisationView.model_validate(found)
