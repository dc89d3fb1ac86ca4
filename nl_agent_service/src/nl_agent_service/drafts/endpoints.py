"""`/api/v1/nl/agents`: agents out of plain language."""

from uuid import UUID

from fastapi import status
from fastapi.responses import JSONResponse, Response

from kgents_shared.auth import OfOrganisation, owner_of_new
from kgents_shared.http.openapi import refusals
from kgents_shared.http.refs_only import RefsOnly
from kgents_shared.http.routing import Router
from nl_agent_service.clients import Caller
from nl_agent_service.dependencies import Bearer, DraftRepositoryDep, DraftServiceDep, DraftsRead, DraftsWrite, Key
from nl_agent_service.drafts.schemas import Drafting, DraftRequest, drafting_view
from nl_agent_service.drafts.service import Asked
from nl_agent_service.errors import DraftNotFound

router = Router(prefix="/api/v1/nl/agents", tags=["agents out of plain language"])


@router.post("", status_code=status.HTTP_201_CREATED, response_model=Drafting, responses=refusals(409, 429, 502, 504))
async def draft_agent(
    principal: DraftsWrite,
    _: RefsOnly,
    bearer: Bearer,
    body: DraftRequest,
    key: Key,
    drafts: DraftServiceDep,
    organisation: OfOrganisation = None,
) -> Response:
    """Have a model write the definition of an agent, check it, try it, and keep it as a draft for the caller to read.

    It takes as long as the model does: up to four drafts, each checked by the platform, and the scenarios that the
    model drafted beside the last one. With `publish` the agent is published, unless one of them fails.
    """
    caller = Caller(bearer, owner_of_new(principal, organisation), organisation)
    row, replayed = await drafts.draft(Asked(principal, caller, body, key))
    headers = {"Location": f"/api/v1/nl/agents/{row.id}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return JSONResponse(drafting_view(row).model_dump(mode="json"), status.HTTP_201_CREATED, headers)


@router.get("/{draft_id}")
async def get_drafting(principal: DraftsRead, draft_id: UUID, drafts: DraftRepositoryDep) -> Drafting:
    """A drafting of the caller's or their organisations': what was asked, each attempt, what came of it."""
    row = await drafts.get(principal.owner_ids, draft_id)
    if row is None:
        raise DraftNotFound
    return drafting_view(row)
