"""What agents and people keep, read and find: rows of PostgreSQL, and by meaning whatever the operator chose."""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from agent_runtime_service.errors import MemoryFull, MemoryNotFound
from agent_runtime_service.memories.backends.backend import MemoryBackend, Near, NearQuery
from agent_runtime_service.memories.embeddings.cached import CachedEmbedder
from agent_runtime_service.memories.indexing import Indexer
from agent_runtime_service.memories.query_words import has_words
from agent_runtime_service.memories.repository import (
    NOTHING_NEAR,
    Draft,
    MemoryFilter,
    MemoryRepository,
    Viewer,
)
from agent_runtime_service.memories.spaces import Space
from kgents_shared.contracts.memories import (
    STORED,
    FoundMemories,
    Memory,
    MemoryByKey,
    MemorySearch,
    Method,
    NewMemory,
    PutMemory,
)
from kgents_shared.db import PageRequest
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.memory")
_QUERY_WITHIN_S: Final = 5.0
_LEAST_NEAR: Final = 20
LEXICAL: Final = "No model of embeddings is set up: memories are found by their words alone."
_TURNED_OFF: Final = "This agent's definition has semantic = false: its memories are found by their words alone."


@dataclass(frozen=True, slots=True)
class MemoryState:
    """How memories are found right now. `waiting`: those that have no vector of the model yet."""

    method: Method
    backend: str
    backend_answers: bool
    embeddings: str
    waiting: int
    note: str | None


class MemoryService:
    """Keeps and finds memories."""

    def __init__(
        self,
        repository: MemoryRepository,
        backend: MemoryBackend,
        embedder: CachedEmbedder | None,
        indexer: Indexer,
        why_lexical: str = LEXICAL,
    ) -> None:
        self._repository = repository
        self._backend = backend
        self._embedder = embedder
        self._indexer = indexer
        self._why_lexical = why_lexical

    async def store(self, new: NewMemory) -> Memory:
        """Keep a text, once a key; raises `MemoryFull`."""
        return await self._put(new, Draft(f"{STORED}{new.key}", new.text, new.tags, new.semantic, replace=False))

    async def put(self, new: PutMemory) -> Memory:
        """Have a key have a value from now on; raises `MemoryFull`."""
        return await self._put(new, Draft(new.key, new.value, new.tags, new.semantic, replace=True))

    async def _put(self, new: NewMemory | PutMemory, draft: Draft) -> Memory:
        kept = await self._repository.put(Space.of(new), draft)
        if kept is None:
            most = self._repository.most
            raise MemoryFull(f"As many memories are kept here as may be, {most}; have some of them forgotten.")
        memory, changed = kept
        if changed and draft.semantic:
            self._indexer.nudge()
        return memory

    async def get(self, asked: MemoryByKey) -> Memory | None:
        """What a key has, or had at a time."""
        return await self._repository.get(Space.of(asked), asked.key, asked.as_of)

    async def history(self, asked: MemoryByKey) -> list[Memory]:
        """What a key has and had, the newest first."""
        return await self._repository.history(Space.of(asked), asked.key)

    async def end(self, asked: MemoryByKey) -> Memory | None:
        """End a key's value, which stays in its history; what it was, None where it had none."""
        ended = await self._repository.end(Space.of(asked), asked.key)
        if ended is not None:
            self._indexer.nudge()
        return ended

    async def forget_key(self, asked: MemoryByKey) -> None:
        """Delete what a key has and had; raises `MemoryNotFound`."""
        if not await self._repository.forget_key(Space.of(asked), asked.key):
            raise MemoryNotFound("The agent keeps no such thing.")
        self._indexer.nudge()

    async def find(self, viewer: Viewer, memory_id: UUID) -> Memory:
        """The memory of an id; raises `MemoryNotFound`."""
        found = await self._repository.find(viewer, memory_id)
        if found is None:
            raise MemoryNotFound("The agent keeps no such thing.")
        return found

    async def page(self, viewer: Viewer, wanted: MemoryFilter, request: PageRequest) -> list[Memory]:
        """`limit + 1` of what an agent keeps, the newest first."""
        return await self._repository.page(viewer, wanted, request)

    async def forget(self, viewer: Viewer, memory_id: UUID) -> None:
        """Delete a memory and its history; raises `MemoryNotFound`."""
        if not await self._repository.forget(viewer, memory_id):
            raise MemoryNotFound("The agent keeps no such thing.")
        self._indexer.nudge()

    async def search(self, asked: MemorySearch) -> FoundMemories:
        """The best first, by meaning and words; by words alone where meaning can't be asked for, which is told."""
        space = Space.of(asked)
        if not has_words(asked.query):
            return FoundMemories(
                memories=tuple(await self._repository.search(space, asked, NOTHING_NEAR)), method="newest"
            )
        near, note = NOTHING_NEAR, None
        if asked.mode != "words":
            near, note = await self._near(space, asked)
        method: Method = "words" if near is NOTHING_NEAR else asked.mode
        found = await self._repository.search(space, asked, near)
        return FoundMemories(memories=tuple(found), method=method, note=note)

    async def _near(self, space: Space, asked: MemorySearch) -> tuple[Near, str | None]:
        if self._embedder is None:
            return NOTHING_NEAR, self._why_lexical
        if not asked.semantic:
            return NOTHING_NEAR, _TURNED_OFF
        try:
            async with asyncio.timeout(_QUERY_WITHIN_S):
                vector = await self._embedder.query(space.payer, asked.query)
                wanted = NearQuery(
                    self._embedder.model, vector, space.name, max(_LEAST_NEAR, asked.limit), asked.tags, asked.since,
                    asked.until,
                )  # fmt: skip
                return await self._backend.near(wanted), None
        except (ApiError, TimeoutError) as error:
            why = error.detail if isinstance(error, ApiError) else "The model of embeddings takes too long."
            _log.warning("memory_search_by_words", why=why)
            return NOTHING_NEAR, f"Found by words alone: {why}"

    async def state(self) -> MemoryState:
        """How memories are found right now."""
        answers = await self._backend.answers()
        if self._embedder is None:
            return MemoryState("words", self._backend.name, answers, "lexical", 0, self._why_lexical)
        waiting = await self._indexer.waiting()
        note = self._indexer.fault
        if not answers:
            note = f"The backend {self._backend.name} can't be asked: memories are found by their words alone."
        method: Method = "hybrid" if answers else "words"
        return MemoryState(method, self._backend.name, answers, self._embedder.model, waiting, note)
