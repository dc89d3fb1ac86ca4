"""What the tools `memory.*` ask for, in an agent's name."""

from agent_runtime_service.dependencies import MemoryServiceDep, ToolsCalls
from kgents_shared.contracts.memories import (
    FoundMemories,
    GottenMemory,
    Memory,
    MemoryByKey,
    MemorySearch,
    MemoryVersions,
    NewMemory,
    PutMemory,
)
from kgents_shared.http.routing import Router

router = Router(prefix="/internal/memories", include_in_schema=False)


@router.post("", status_code=201)
async def store_memory(new: NewMemory, _: ToolsCalls, memories: MemoryServiceDep) -> Memory:
    """Keep a text for an agent; 409 where it has all that it may."""
    return await memories.store(new)


@router.post("/search")
async def search_memories(asked: MemorySearch, _: ToolsCalls, memories: MemoryServiceDep) -> FoundMemories:
    """What an agent keeps that fits, the best first."""
    return await memories.search(asked)


@router.post("/put")
async def put_memory(new: PutMemory, _: ToolsCalls, memories: MemoryServiceDep) -> Memory:
    """Have a key have a value from now on; 409 where there are all that may be."""
    return await memories.put(new)


@router.post("/get")
async def get_memory(asked: MemoryByKey, _: ToolsCalls, memories: MemoryServiceDep) -> GottenMemory:
    """What a key has, or had at a time."""
    return GottenMemory(memory=await memories.get(asked))


@router.post("/history")
async def memory_history(asked: MemoryByKey, _: ToolsCalls, memories: MemoryServiceDep) -> MemoryVersions:
    """What a key has and had."""
    return MemoryVersions(versions=tuple(await memories.history(asked)))


@router.post("/delete")
async def end_memory(asked: MemoryByKey, _: ToolsCalls, memories: MemoryServiceDep) -> GottenMemory:
    """End a key's value; what it was."""
    return GottenMemory(memory=await memories.end(asked))
