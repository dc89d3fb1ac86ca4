"""`GET /users/me/data`, `POST /users/me/erasure`, `GET /admin/erasures`."""

from typing import Annotated

from fastapi import Depends, status
from fastapi.responses import StreamingResponse

from auth_service.dependencies import InPerson, PartsDep
from auth_service.personal_data.schemas import ErasureBegun, ErasureRequest, ErasureView, WaitingPart
from auth_service.users import service as users
from kgents_shared.auth import Principal, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1", tags=["users"])
UsersRead = Annotated[Principal, Depends(require("users:read"))]


@router.get(
    "/users/me/data",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}} | refusals(404),
)
async def give_out_my_data(principal: InPerson, parts: PartsDep) -> StreamingResponse:
    """Everything that is kept of the person who asks, by all services, as lines of JSON.

    Each is `{"service", "table", "row"}`; the last one says whether it is complete, and which services are missing
    otherwise. Secrets are not in it.
    """
    async with parts.storage.transaction() as work:
        await users.profile(work, principal.subject)
    lines = parts.personal_data.export(principal.subject)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


@router.post("/users/me/erasure", status_code=status.HTTP_202_ACCEPTED, responses=refusals(404, 409))
async def erase_me(body: ErasureRequest, principal: InPerson, parts: PartsDep) -> ErasureBegun:
    """Erase the person who asks: nobody logs in any more from now on, and what is kept of them goes, for good.

    Refused to the last administrator, and to the only owner of an organisation that others are in.
    """
    async with parts.storage.transaction() as work:
        await users.profile(work, principal.subject)
        erasure_id = await parts.personal_data.begin(work, principal.subject, body.confirm)
    parts.personal_data.wake()
    return ErasureBegun(erasure_id=erasure_id)


@router.get("/admin/erasures", tags=["admin"])
async def list_erasures(page: PageQuery, principal: UsersRead, parts: PartsDep) -> Page[ErasureView]:
    """How far the erasing of people is, newest first."""
    del principal
    async with parts.storage.transaction() as work:
        rows = await work.erasures.page(page)
        waiting = await work.erasures.open_parts([row[0] for row in rows])
    views = [
        ErasureView(
            id=erasure_id,
            requested_at=requested_at,
            done_at=done_at,
            waiting=[WaitingPart(service=part[1], waits_for=part[2]) for part in waiting if part[0] == erasure_id],
        )
        for erasure_id, requested_at, done_at in rows
    ]
    return make_page(views, page, item=lambda view: view, key=lambda view: (str(view.id),))
