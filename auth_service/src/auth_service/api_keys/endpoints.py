"""`/api/v1/users/me/api-keys`, and `/internal/api-keys/resolve`: whose a key is."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response, status

from auth_service.api_keys.repository import KeyRecord
from auth_service.api_keys.schemas import ApiKeyView, MadeApiKey, NewApiKey
from auth_service.dependencies import PartsDep
from auth_service.users import service as users
from kgents_shared.auth import Principal, require, require_service
from kgents_shared.contracts.path_table import load_path_table
from kgents_shared.contracts.revocations import ResolveApiKey, ResolvedApiKey
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.errors import NotFound
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/users/me/api-keys", tags=["api-keys"])
internal_router = Router(prefix="/internal/api-keys", tags=["internal"])
KeysRead = Annotated[Principal, Depends(require("keys:read"))]
KeysWrite = Annotated[Principal, Depends(require("keys:write"))]
AnyService = Annotated[Principal, Depends(require_service(*sorted(load_path_table().services)))]


@router.post("", status_code=status.HTTP_201_CREATED, responses=refusals(404, 409))
async def create_api_key(body: NewApiKey, principal: KeysWrite, parts: PartsDep, response: Response) -> MadeApiKey:
    """Make a key; this answer alone holds it."""
    async with parts.storage.transaction() as work:
        record, key = await parts.api_keys.make(
            work, principal, name=body.name, scopes=body.scopes, days=body.expires_in_days
        )
    response.headers["Cache-Control"] = "no-store"
    return MadeApiKey(**_view(record).model_dump(), key=key)


@router.get("", responses=refusals(404))
async def list_api_keys(page: PageQuery, principal: KeysRead, parts: PartsDep) -> Page[ApiKeyView]:
    """The caller's keys, newest first."""
    async with parts.storage.transaction() as work:
        owner = await users.profile(work, principal.subject)
        rows = await work.api_keys.page(owner.user.id, page)
    return make_page(rows, page, item=_view, key=lambda row: (str(row.id),))


@router.delete("/{key_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_api_key(key_id: UUID, principal: KeysWrite, parts: PartsDep) -> None:
    """Delete a key; every service refuses it within a second."""
    async with parts.storage.transaction() as work:
        await parts.api_keys.delete(work, principal, key_id)


@internal_router.post("/resolve", responses=refusals(404))
async def resolve_api_key(body: ResolveApiKey, service: AnyService, parts: PartsDep) -> ResolvedApiKey:
    """Whose key it is and what it may do now; 404 alike for every key that isn't one."""
    del service
    found = await parts.api_keys.resolve(body.key)
    if found is None:
        raise NotFound("There is no such key.", code="no_such_key")
    return found


def _view(key: KeyRecord) -> ApiKeyView:
    return ApiKeyView(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )
