"""`POST /api/v1/tools/{name}/call`."""

from typing import Annotated

from fastapi import Header, Response

from kgents_shared.auth import named
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router
from tool_registry_service.dependencies import RegistryDep, ToolsInvoke
from tool_registry_service.direct_calls.schemas import DirectCall, DirectCallAnswer
from tool_registry_service.direct_calls.service import Asked
from tool_registry_service.errors import ToolNotFound

router = Router(prefix="/api/v1/tools", tags=["tools"])
_Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$")]


@router.post(
    "/{name}/call",
    response_model_exclude_none=True,
    responses={202: {"model": DirectCallAnswer, "description": "It waits for an approval."}} | refusals(409, 429),
)
async def call_tool(
    name: str, call: DirectCall, principal: ToolsInvoke, registry: RegistryDep, response: Response, key: _Key = None
) -> DirectCallAnswer:
    """Call a tool oneself: `<server>.<tool>`, or `<organisation>~<server>.<tool>`.

    One with an external effect answers 202 and waits for its approval; the same call under the same key goes on then.
    """
    owner_id, full_name = named(principal, name)
    if owner_id is None:
        raise ToolNotFound(f"There is no tool named {full_name}.")
    found = await registry.direct_calls.call(Asked(owner_id, principal.subject, full_name, call.arguments, key))
    if found.answer.waiting is not None:
        response.status_code = 202
    return DirectCallAnswer(
        invocation_id=found.record.id, idempotency_key=found.key, outcome=found.record.outcome,
        content=found.answer.content, is_error=found.answer.is_error, waiting=found.answer.waiting,
    )  # fmt: skip
