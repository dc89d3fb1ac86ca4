"""`/api/v1/auth/clients`: the caller's own applications."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response, status

from auth_service.applications import service
from auth_service.applications.schemas import (
    ClientChange,
    ClientView,
    MadeClient,
    MadeSecret,
    NewClient,
    NewClientSecret,
)
from auth_service.applications.views import client_view, secret_view
from auth_service.dependencies import PartsDep
from auth_service.roles.schemas import ClientId
from auth_service.tokens.oauth_errors import NO_STORE
from auth_service.users import service as users
from kgents_shared.auth import Principal, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/auth/clients", tags=["clients"])
ClientsRead = Annotated[Principal, Depends(require("clients:read"))]
ClientsWrite = Annotated[Principal, Depends(require("clients:write"))]


@router.post("", status_code=status.HTTP_201_CREATED, responses=refusals(404, 409))
async def create_client(body: NewClient, principal: ClientsWrite, parts: PartsDep, response: Response) -> MadeClient:
    """Make an application; this answer alone holds its secret."""
    async with parts.storage.transaction() as work:
        made, secret = await service.make(work, principal, body)
    response.headers.update(NO_STORE)
    return MadeClient(**client_view(made).model_dump(), client_secret=secret)


@router.get("", responses=refusals(404))
async def list_clients(page: PageQuery, principal: ClientsRead, parts: PartsDep) -> Page[ClientView]:
    """The caller's applications, newest first."""
    async with parts.storage.transaction() as work:
        owner = await users.profile(work, principal.subject)
        rows = await work.applications.page(page, owner.user.id)
    return make_page(rows, page, item=client_view, key=lambda row: (row.client_id,))


@router.get("/{client_id}")
async def get_client(client_id: ClientId, principal: ClientsRead, parts: PartsDep) -> ClientView:
    """One application."""
    async with parts.storage.transaction() as work:
        return client_view(await service.own(work, principal, client_id))


@router.patch("/{client_id}", responses=refusals(409))
async def change_client(
    client_id: ClientId, body: ClientChange, principal: ClientsWrite, parts: PartsDep
) -> ClientView:
    """Change an application; where its scopes or keys change, its tokens are refused within a second."""
    async with parts.storage.transaction() as work:
        return client_view(await service.change(work, principal, client_id, body))


@router.delete("/{client_id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(409))
async def delete_client(client_id: ClientId, principal: ClientsWrite, parts: PartsDep) -> None:
    """Delete an application; every service refuses its tokens within a second."""
    async with parts.storage.transaction() as work:
        await service.delete(work, principal, await service.own(work, principal, client_id))


@router.post("/{client_id}/secrets", status_code=status.HTTP_201_CREATED, responses=refusals(409))
async def create_client_secret(
    client_id: ClientId, body: NewClientSecret, principal: ClientsWrite, parts: PartsDep, response: Response
) -> MadeSecret:
    """Make a new secret; this answer alone holds it. The newest so far goes on for the overlap."""
    async with parts.storage.transaction() as work:
        record, secret = await service.rotate_secret(work, principal, client_id, overlap_s=body.overlap)
    response.headers.update(NO_STORE)
    return MadeSecret(**secret_view(record).model_dump(), client_secret=secret)


@router.delete("/{client_id}/secrets/{secret_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_client_secret(client_id: ClientId, secret_id: UUID, principal: ClientsWrite, parts: PartsDep) -> None:
    """Delete a secret; the application's tokens are refused within a second."""
    async with parts.storage.transaction() as work:
        await service.delete_secret(work, principal, client_id, secret_id)
