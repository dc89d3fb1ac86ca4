"""What an agent keeps: as people see and change it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import AwareDatetime

from agent_runtime_service.dependencies import (
    AgentFinderDep,
    AgentsWrite,
    ConversationRepositoryDep,
    ConversationsRead,
    MemoryServiceDep,
    ModelsRead,
    ModelsWrite,
    VectorCopyingDep,
)
from agent_runtime_service.errors import ConversationNotFound, MemoryNotFound
from agent_runtime_service.memories.repository import MemoryFilter, Viewer
from agent_runtime_service.memories.schemas import CopyingBody, CopyingView, MemoryBody, MemoryStateView, SearchBody
from agent_runtime_service.messages.finder import meant_agent
from kgents_shared.auth import Principal
from kgents_shared.contracts.agent_spec import MemoryScope
from kgents_shared.contracts.memories import (
    FoundMemories,
    Memory,
    MemoryByKey,
    MemoryKey,
    MemoryPlace,
    MemorySearch,
    MemoryVersions,
    PutMemory,
    Tag,
)
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/agents", tags=["memory"])
platform_router = Router(prefix="/api/v1/memory", tags=["memory"])
Key = Annotated[MemoryKey, Path()]
KeyOrId = Annotated[UUID | MemoryKey, Path()]
AsOf = Annotated[AwareDatetime | None, Query()]


class WhereQuery:
    """Which of an agent's memories is meant: the scope of its definition, unless another one is named."""

    def __init__(self, scope: MemoryScope | None = None, conversation_id: UUID | None = None) -> None:
        self.scope: MemoryScope | None = scope
        self.conversation_id = conversation_id


class Places:
    """Whose memory a caller means. What belongs to a user or a conversation is theirs alone."""

    def __init__(self, finder: AgentFinderDep, conversations: ConversationRepositoryDep) -> None:
        self._finder = finder
        self._conversations = conversations

    async def place(self, principal: Principal, agent: str, where: WhereQuery) -> MemoryPlace:
        """Raises `AgentNotFound`, `ConversationNotFound`."""
        agent_id, owner_id, remembers = await self._finder.remembers(meant_agent(principal, agent))
        await self._check(principal, where)
        return MemoryPlace(
            owner_id=owner_id,
            agent_id=agent_id,
            conversation_id=where.conversation_id,
            principal=principal.subject,
            scope=where.scope or remembers.scope,
            semantic=remembers.semantic,
        )

    async def viewer(self, principal: Principal, agent: str, where: WhereQuery | None = None) -> Viewer:
        """Raises `AgentNotFound`, `ConversationNotFound`."""
        agent_id = await self._finder.agent_id(meant_agent(principal, agent))
        if where is not None:
            await self._check(principal, where)
        return Viewer(principal.owner_ids, principal.owner_id, principal.subject, agent_id)

    async def _check(self, principal: Principal, where: WhereQuery) -> None:
        named = where.conversation_id
        if named is not None and await self._conversations.find(principal.owner_ids, named) is None:
            raise ConversationNotFound("There is no such conversation.")


Where = Annotated[WhereQuery, Depends()]
PlacesDep = Annotated[Places, Depends()]


def _by_key(place: MemoryPlace, key: str, as_of: datetime | None = None) -> MemoryByKey:
    return MemoryByKey(**place.model_dump(), key=key, as_of=as_of)


def _filter(
    scope: MemoryScope | None = None,
    prefix: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[tuple[Tag, ...], Query(max_length=20)] = (),
    since: AsOf = None,
    until: AsOf = None,
    as_of: AsOf = None,
) -> MemoryFilter:
    return MemoryFilter(scope, prefix.replace("\x00", ""), tag, since, until, as_of)


@router.get("/{agent}/memory")
async def list_memories(
    agent: str,
    page: PageQuery,
    wanted: Annotated[MemoryFilter, Depends(_filter)],
    principal: ConversationsRead,
    memories: MemoryServiceDep,
    places: PlacesDep,
) -> Page[Memory]:
    """What an agent keeps, newest first; with `as_of` as it was then. What belongs to other users isn't shown."""
    rows = await memories.page(await places.viewer(principal, agent), wanted, page)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.id),))


@router.post("/{agent}/memory/search")
async def search_memory(
    agent: str, body: SearchBody, principal: ConversationsRead, memories: MemoryServiceDep, places: PlacesDep
) -> FoundMemories:
    """Find what an agent keeps by meaning and words, the best first."""
    place = await places.place(principal, agent, WhereQuery(body.scope, body.conversation_id))
    asked = body.model_dump(exclude={"scope", "conversation_id"})
    return await memories.search(MemorySearch(**place.model_dump(), **asked))


@router.get("/{agent}/memory/{memory}")
async def get_memory(
    agent: str,
    memory: KeyOrId,
    where: Where,
    principal: ConversationsRead,
    memories: MemoryServiceDep,
    places: PlacesDep,
    as_of: AsOf = None,
) -> Memory:
    """What a key has, or had at a time; or the memory of an id."""
    if isinstance(memory, UUID):
        return await memories.find(await places.viewer(principal, agent, where), memory)
    place = await places.place(principal, agent, where)
    found = await memories.get(_by_key(place, memory, as_of))
    if found is None:
        raise MemoryNotFound("The agent keeps no such thing.")
    return found


@router.get("/{agent}/memory/{key}/history")
async def memory_history(
    agent: str,
    key: Key,
    where: Where,
    principal: ConversationsRead,
    memories: MemoryServiceDep,
    places: PlacesDep,
) -> MemoryVersions:
    """What a key has and had, the newest first: at most a hundred values before the one that it has."""
    place = await places.place(principal, agent, where)
    versions = await memories.history(_by_key(place, key))
    if not versions:
        raise MemoryNotFound("The agent keeps no such thing.")
    return MemoryVersions(versions=tuple(versions))


@router.put("/{agent}/memory/{key}", responses=refusals(409))
async def put_memory(
    agent: str, key: Key, body: MemoryBody, principal: AgentsWrite, memories: MemoryServiceDep, places: PlacesDep
) -> Memory:
    """Have a key have a value from now on. The same value again changes nothing."""
    place = await places.place(principal, agent, WhereQuery(body.scope, body.conversation_id))
    return await memories.put(PutMemory(**place.model_dump(), key=key, value=body.value, tags=body.tags))


@router.delete("/{agent}/memory/{memory}", status_code=204)
async def forget_memory(
    agent: str,
    memory: KeyOrId,
    principal: AgentsWrite,
    memories: MemoryServiceDep,
    places: PlacesDep,
    scope: MemoryScope | None = None,
) -> None:
    """Have an agent forget something, with its history. What belongs to a conversation is named by its id.

    (`memory.delete` of agents ends a value and keeps its history.)
    """
    if isinstance(memory, UUID):
        await memories.forget(await places.viewer(principal, agent), memory)
        return
    place = await places.place(principal, agent, WhereQuery(scope))
    await memories.forget_key(_by_key(place, memory))


@platform_router.get("/status")
async def memory_status(_: ModelsRead, memories: MemoryServiceDep) -> MemoryStateView:
    """How memories are found right now: by which model of embeddings and backend, or by words alone, and why."""
    return MemoryStateView(**asdict(await memories.state()))


@platform_router.post("/copyings", status_code=202)
async def copy_vectors(body: CopyingBody, _: ModelsWrite, copying: VectorCopyingDep) -> CopyingView:
    """Copy the vectors of all memories from one backend to another, in the background."""
    return CopyingView(**asdict(await copying.begin(body.source, body.target)))


@platform_router.get("/copyings/{copying_id}")
async def get_copying(copying_id: UUID, _: ModelsWrite, copying: VectorCopyingDep) -> CopyingView:
    """How far a copying is."""
    return CopyingView(**asdict(await copying.find(copying_id)))
