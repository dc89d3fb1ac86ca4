"""`POST /api/v1/agents/validate`, and the schema that definitions are checked against."""

import asyncio
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from agent_management_service.agents.endpoints import DEFINITION_BODY
from agent_management_service.dependencies import INLINE_BYTES, AgentsRead, definition_language
from agent_management_service.validation.schemas import Validation, validation_view
from agent_management_service.validation.service import ValidationService
from kgents_shared.auth import OfOrganisation, owner_of_new
from kgents_shared.definitions.schema import agent_schema
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["validation"])
schemas_router = Router(prefix="/api/v1/schemas", tags=["validation"])


def _validator(request: Request) -> ValidationService:
    return cast("ValidationService", request.app.state.validation)


Validator = Annotated[ValidationService, Depends(_validator)]


@router.post("/validate", openapi_extra=DEFINITION_BODY, responses=refusals(415))
async def validate_definition(
    principal: AgentsRead, request: Request, validator: Validator, organisation: OfOrganisation = None
) -> Validation:
    """Everything that is wrong with a definition, and what is likely a mistake; nothing of it is kept.

    The answer is 200 whatever was found: a definition can be taken if `errors` is empty. The tools, credentials,
    agents of a team and providers that it names are looked up for the caller, or for their organisation: what isn't
    there, or is of no use, is warned of.
    """
    owner_id = owner_of_new(principal, organisation)
    language, body = definition_language(request), await request.body()
    if len(body) <= INLINE_BYTES:
        report = validator.examine(body, language)
    else:
        report = await asyncio.to_thread(validator.examine, body, language)
    return validation_view(await validator.for_owner(report, owner_id, principal))


@schemas_router.get("/agent", response_class=JSONResponse)
async def get_agent_schema() -> dict[str, Any]:
    """The JSON Schema of definitions, for editors: anybody may read it."""
    return agent_schema()
