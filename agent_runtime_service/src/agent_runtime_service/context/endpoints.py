"""`/conversations/{conversation_id}`: its context, what is pinned in it, its reset and its end."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from agent_runtime_service.context.schemas import ContextView, FactKey, FactRequest, FactView
from agent_runtime_service.dependencies import ContextServiceDep, ConversationsRead, ConversationsWrite
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/conversations/{conversation_id}", tags=["conversations"])
Key = Annotated[FactKey, Path(description="What the fact is called.")]


@router.get("/context")
async def get_context(conversation_id: UUID, principal: ConversationsRead, context: ContextServiceDep) -> ContextView:
    """What the model would be shown with the next message: summary, pinned facts, messages, and how much that is."""
    return await context.view(principal.owner_ids, conversation_id)


@router.put("/facts/{key}", responses=refusals(409))
async def pin_fact(
    conversation_id: UUID, key: Key, body: FactRequest, principal: ConversationsWrite, context: ContextServiceDep
) -> FactView:
    """Pin a fact: the model is shown it with every message from now on, whatever else falls out of its window."""
    return await context.pin(principal.owner_ids, conversation_id, key, body.text)


@router.delete("/facts/{key}", status_code=204)
async def unpin_fact(
    conversation_id: UUID, key: Key, principal: ConversationsWrite, context: ContextServiceDep
) -> None:
    """Take a pinned fact away."""
    await context.unpin(principal.owner_ids, conversation_id, key)


@router.post("/reset", status_code=204, responses=refusals(409))
async def reset_conversation(conversation_id: UUID, principal: ConversationsWrite, context: ContextServiceDep) -> None:
    """Clear the context: the model is shown nothing of what was said before. That and what is pinned stay."""
    await context.reset(principal.owner_ids, conversation_id)


@router.delete("", status_code=204, responses=refusals(409))
async def delete_conversation(conversation_id: UUID, principal: ConversationsWrite, context: ContextServiceDep) -> None:
    """Delete a conversation with its messages, runs and pinned facts. What its model calls cost stays counted."""
    await context.remove(principal.owner_ids, conversation_id)
