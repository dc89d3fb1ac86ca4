"""What an agent keeps: as its owner sees it, and as the tools store and search it."""

from uuid import UUID

from fastapi import APIRouter

from agent_runtime_service.dependencies import (
    AgentFinderDep,
    AgentsWrite,
    ConversationsRead,
    MemoryRepositoryDep,
    ToolsCalls,
)
from agent_runtime_service.errors import MemoryFull, MemoryNotFound
from agent_runtime_service.messages.finder import meant_agent
from kgents_shared.contracts.memories import FoundMemories, Memory, MemorySearch, NewMemory
from kgents_shared.db import Page, PageQuery, make_page

router = APIRouter(prefix="/api/v1/agents", tags=["memory"])
internal_router = APIRouter(prefix="/internal/memories", include_in_schema=False)


@router.get("/{agent}/memory")
async def list_memories(
    agent: str, page: PageQuery, principal: ConversationsRead, memories: MemoryRepositoryDep, finder: AgentFinderDep
) -> Page[Memory]:
    """What an agent keeps, newest first."""
    agent_id = await finder.agent_id(meant_agent(principal, agent))
    rows = await memories.page(principal.owner_ids, agent_id, page)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.id),))


@router.delete("/{agent}/memory/{memory_id}", status_code=204)
async def forget_memory(
    agent: str, memory_id: UUID, principal: AgentsWrite, memories: MemoryRepositoryDep, finder: AgentFinderDep
) -> None:
    """Have an agent forget something."""
    agent_id = await finder.agent_id(meant_agent(principal, agent))
    if not await memories.remove(principal.owner_ids, agent_id, memory_id):
        raise MemoryNotFound("The agent keeps no such thing.")


@internal_router.post("", status_code=201)
async def store_memory(new: NewMemory, _: ToolsCalls, memories: MemoryRepositoryDep) -> Memory:
    """Keep a text for an agent; 409 where it has all that it may."""
    kept = await memories.store(new)
    if kept is None:
        raise MemoryFull(f"The agent keeps {memories.most} texts, all that it may; its owner can have it forget some.")
    return kept


@internal_router.post("/search")
async def search_memories(asked: MemorySearch, _: ToolsCalls, memories: MemoryRepositoryDep) -> FoundMemories:
    """What an agent keeps that has one of the words."""
    return FoundMemories(memories=tuple(await memories.search(asked)))
