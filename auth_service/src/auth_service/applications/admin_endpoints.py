"""`/api/v1/admin/clients`: every client, for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, status

from auth_service.applications import service
from auth_service.applications.schemas import AnyClientView, ClientGrant
from auth_service.applications.views import any_client_view
from auth_service.dependencies import PartsDep
from auth_service.roles.schemas import ClientId
from kgents_shared.auth import Principal, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/admin/clients", tags=["admin"])
# Of everybody's: so only for who may look after people too.
AllClientsRead = Annotated[Principal, Depends(require("clients:read", "users:read"))]
AllClientsWrite = Annotated[Principal, Depends(require("clients:write", "users:write"))]


@router.get("")
async def list_all_clients(
    page: PageQuery, principal: AllClientsRead, parts: PartsDep, owner_id: UUID | None = None
) -> Page[AnyClientView]:
    """Every client, or one person's; services of the platform are among them."""
    del principal
    async with parts.storage.transaction() as work:
        rows = await work.applications.page(page, owner_id)
    return make_page(rows, page, item=any_client_view, key=lambda row: (row.client_id,))


@router.get("/{client_id}")
async def get_any_client(client_id: ClientId, principal: AllClientsRead, parts: PartsDep) -> AnyClientView:
    """One client."""
    del principal
    async with parts.storage.transaction() as work:
        found = await work.applications.find(client_id)
    if found is None:
        raise service.no_such_client()
    return any_client_view(found)


@router.patch("/{client_id}")
async def administer_client(
    client_id: ClientId, body: ClientGrant, principal: AllClientsWrite, parts: PartsDep
) -> AnyClientView:
    """Disable or enable an application, or let it act for people (token exchange)."""
    async with parts.storage.transaction() as work:
        return any_client_view(
            await service.administer(work, principal, client_id, disabled=body.disabled, may_exchange=body.may_exchange)
        )


@router.delete("/{client_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_any_client(client_id: ClientId, principal: AllClientsWrite, parts: PartsDep) -> None:
    """Delete an application; every service refuses its tokens within a second."""
    async with parts.storage.transaction() as work:
        await service.delete(work, principal, await service.any_application(work, principal, client_id))
