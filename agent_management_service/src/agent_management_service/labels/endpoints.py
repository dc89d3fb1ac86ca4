"""`/api/v1/agents/{agent}/labels`: which version is stable, and which is the canary."""

from typing import Annotated

from fastapi import Depends, Request, status

from agent_management_service.dependencies import AgentsRead, AgentsWrite, ThisAgent, Transaction, json_document
from agent_management_service.labels.schemas import Label, LabelChange, LabelName
from kgents_shared.db import Page
from kgents_shared.definitions.compile import compile_body
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["labels"])
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": LabelChange.model_json_schema()}},
    }
}


async def _change(request: Request) -> LabelChange:
    return compile_body(json_document(request, await request.body()), LabelChange)


@router.get("/{agent}/labels")
async def list_labels(principal: AgentsRead, agent: ThisAgent, work: Transaction) -> Page[Label]:
    """The labels that are set."""
    return Page(items=await work.labels.all(agent))


@router.get("/{agent}/labels/{label}")
async def get_label(principal: AgentsRead, agent: ThisAgent, label: LabelName, work: Transaction) -> Label:
    """One label."""
    return await work.labels.get(agent, label)


@router.put("/{agent}/labels/{label}", openapi_extra=_BODY, responses=refusals(415))
async def put_label(
    principal: AgentsWrite,
    agent: ThisAgent,
    label: LabelName,
    change: Annotated[LabelChange, Depends(_change)],
    work: Transaction,
) -> Label:
    """Give a version the label `stable` or `canary`; what runs follows."""
    return await work.labels.put(agent, label, change)


@router.delete("/{agent}/labels/{label}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_label(principal: AgentsWrite, agent: ThisAgent, label: LabelName, work: Transaction) -> None:
    """Take the label away: without `stable`, the version in force answers; without `canary`, none runs beside it."""
    await work.labels.remove(agent, label)
