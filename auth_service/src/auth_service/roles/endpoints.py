"""`/api/v1/admin/{roles,permissions,assignments}`."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, status

from auth_service.dependencies import PartsDep
from auth_service.roles import service
from auth_service.roles.repository import Assignment, RoleRecord
from auth_service.roles.schemas import (
    AssignmentView,
    ClientId,
    NewAssignment,
    NewRole,
    PermissionList,
    PermissionView,
    RoleChange,
    RoleView,
)
from kgents_shared.auth import ROLE_SCOPES, SCOPES, Principal, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/admin", tags=["admin"])
RolesRead = Annotated[Principal, Depends(require("roles:read"))]
RolesWrite = Annotated[Principal, Depends(require("roles:write"))]
OfRole = Annotated[str | None, Query(max_length=63)]
OfClient = Annotated[ClientId | None, Query()]


@router.get("/permissions")
async def list_permissions(principal: RolesRead) -> PermissionList:
    """Every scope there is."""
    del principal
    return PermissionList(items=[PermissionView(scope=scope, description=SCOPES[scope]) for scope in sorted(SCOPES)])


@router.get("/roles")
async def list_roles(page: PageQuery, principal: RolesRead, parts: PartsDep) -> Page[RoleView]:
    """Every role, by name."""
    del principal
    async with parts.storage.transaction() as work:
        rows = await work.roles.page(page)
    return make_page(rows, page, item=_view, key=lambda row: (row.name,))


@router.post("/roles", status_code=status.HTTP_201_CREATED, responses=refusals(409))
async def create_role(body: NewRole, principal: RolesWrite, parts: PartsDep) -> RoleView:
    """Make a role out of permissions that the caller has."""
    async with parts.storage.transaction() as work:
        return _view(await service.make(work, principal, body.name, body.description, body.permissions))


@router.get("/roles/{role}")
async def get_role(role: str, principal: RolesRead, parts: PartsDep) -> RoleView:
    """One role."""
    del principal
    async with parts.storage.transaction() as work:
        return _view(await service.role(work, role))


@router.put("/roles/{role}", responses=refusals(409))
async def put_role(role: str, body: RoleChange, principal: RolesWrite, parts: PartsDep) -> RoleView:
    """Change a role; the tokens of everybody who has it are refused within a second."""
    async with parts.storage.transaction() as work:
        return _view(await service.change(work, principal, role, body.description, body.permissions))


@router.delete("/roles/{role}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(409))
async def delete_role(role: str, principal: RolesWrite, parts: PartsDep) -> None:
    """Delete a role that nobody has."""
    async with parts.storage.transaction() as work:
        await service.delete(work, principal, role)


@router.get("/assignments")
async def list_assignments(
    page: PageQuery,
    principal: RolesRead,
    parts: PartsDep,
    role: OfRole = None,
    user_id: UUID | None = None,
    client_id: OfClient = None,
) -> Page[AssignmentView]:
    """Who has which role."""
    del principal
    async with parts.storage.transaction() as work:
        rows = await work.roles.assignments(page, role=role, user_id=user_id, client_id=client_id)
    return make_page(rows, page, item=_assignment_view, key=lambda row: (row.role, row.subject))


@router.post("/assignments", status_code=status.HTTP_201_CREATED, responses=refusals(404))
async def create_assignment(body: NewAssignment, principal: RolesWrite, parts: PartsDep) -> AssignmentView:
    """Give a person or a client a role; nothing changes for who has it."""
    given = Assignment(body.role, body.user_id, body.client_id)
    async with parts.storage.transaction() as work:
        await service.assign(work, principal, given)
    return _assignment_view(given)


@router.delete("/assignments", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404, 409))
async def delete_assignment(
    principal: RolesWrite,
    parts: PartsDep,
    role: Annotated[str, Query(max_length=63)],
    user_id: UUID | None = None,
    client_id: OfClient = None,
) -> None:
    """Take a role away from a person or a client."""
    if (user_id is None) == (client_id is None):
        fault = FaultItem(("query", "user_id"), "name either user_id or client_id", "one_of_two")
        raise InvalidInput("The request has faults; each is listed in errors.", errors=[fault])
    async with parts.storage.transaction() as work:
        await service.take(work, principal, Assignment(role, user_id, client_id))


def _view(found: RoleRecord) -> RoleView:
    return RoleView(
        name=found.name,
        description=found.description,
        permissions=list(found.permissions),
        seeded=found.name in ROLE_SCOPES,
    )


def _assignment_view(found: Assignment) -> AssignmentView:
    return AssignmentView(role=found.role, user_id=found.user_id, client_id=found.client_id)
