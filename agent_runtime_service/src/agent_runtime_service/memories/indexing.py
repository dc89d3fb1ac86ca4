"""Texts get their vectors in the background, and again where the model or the backend is another one now.

What waits is a query: memories whose `indexed_as` isn't what it should be. Until then words find them.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.errors import BudgetExhausted, PriceUnknown
from agent_runtime_service.memories.backends.backend import MemoryBackend, Point
from agent_runtime_service.memories.embeddings.cached import CachedEmbedder
from agent_runtime_service.memories.spaces import payer_of, space_name
from kgents_shared.db import HotPool
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.memory")
BATCH = 64
_REST_S = 60.0
_EVERY_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_OLD_EVERY_S = 3_600.0
# One front at a time, for as long as a batch takes.
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('kgents.runtime.memory_indexing'))"
_WAITING = "semantic AND (indexed_as IS NULL OR indexed_as < %(mark)s OR indexed_as > %(mark)s)"
_NEXT = f"""
SELECT memory.id, memory.space_id, space.owner_id, space.scope, space.subject, memory.agent_id, memory.principal,
    memory.version, memory.text, memory.tags, memory.updated_at
FROM runtime.memories AS memory JOIN runtime.memory_spaces AS space ON space.id = memory.space_id
WHERE {_WAITING} AND (space.owner_id, memory.agent_id::text, memory.principal) NOT IN (
    SELECT rests->>0, rests->>1, rests->>2 FROM jsonb_array_elements(%(resting)s) AS rests
)
ORDER BY memory.id LIMIT %(limit)s
"""  # noqa: S608 -- our constants
_COUNT = f"SELECT count(*) FROM runtime.memories WHERE {_WAITING}"  # noqa: S608 -- our constants
_MARK = """
UPDATE runtime.memories SET indexed_as = %(mark)s
FROM unnest(%(ids)s::uuid[], %(versions)s::int[]) AS done (id, version)
WHERE memories.id = done.id AND memories.version = done.version
"""
_GONE = """
SELECT wanted.id FROM unnest(%s::uuid[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM runtime.memories WHERE id = wanted.id)
"""
_REMOVALS = "SELECT memory_id FROM runtime.memory_removals ORDER BY removed_at LIMIT 500"
_REMOVED = "DELETE FROM runtime.memory_removals WHERE memory_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class WaitingText:
    """A memory whose text has no vector yet."""

    id: UUID
    space_id: UUID
    owner_id: str
    scope: str
    subject: str
    agent_id: UUID
    principal: str
    version: int
    text: str
    tags: list[str]
    updated_at: datetime

    @property
    def payer(self) -> Payer:
        """Who pays for its vector."""
        return payer_of(self.owner_id, self.agent_id, self.principal)


class Indexer:
    """Embeds what waits, a batch at a time, and tells the backend what is gone."""

    def __init__(self, pool: HotPool, embedder: CachedEmbedder | None, backend: MemoryBackend) -> None:
        self._pool = pool
        self._embedder = embedder
        self._backend = backend
        self._nudged = asyncio.Event()
        self.fault: str | None = None
        self._resting: dict[Payer, float] = {}

    @property
    def mark(self) -> str | None:
        """What `indexed_as` is where all is done; None where nothing is embedded."""
        return None if self._embedder is None else f"{self._backend.name}/{self._embedder.model}"

    def nudge(self) -> None:
        """Something was kept."""
        self._nudged.set()

    async def run(self) -> None:
        """Index for ever."""
        pause, next_cleaning = _FIRST_PAUSE_S, 0.0
        while True:
            self._nudged.clear()
            try:
                await self.remove_some()
                while await self.index_some():
                    pause = _FIRST_PAUSE_S
                self.fault = None
                if self._embedder is not None and _now() >= next_cleaning:
                    await self._embedder.drop_old()
                    next_cleaning = _now() + _OLD_EVERY_S
            except (ApiError, psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                self.fault = error.detail if isinstance(error, ApiError) else "The database can't be reached right now."
                _log.warning("memory_indexing_waits", error=self.fault, pause_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            try:
                await asyncio.wait_for(self._nudged.wait(), _EVERY_S)
            except TimeoutError:
                continue

    async def waiting(self) -> int:
        """How many memories wait."""
        if self.mark is None:
            return 0
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_COUNT, {"mark": self.mark})).fetchone()
        return 0 if row is None else int(row[0])

    async def index_some(self) -> int:
        """Index one batch; how many there were. 0 also where another front is at it."""
        if self._embedder is None:
            return 0
        async with self._pool.connection() as connection, connection.transaction():
            row = await (await connection.execute(_ALONE)).fetchone()
            if row is None or not row[0]:
                return 0
            self._resting = {payer: until for payer, until in self._resting.items() if until > _now()}
            resting = Jsonb([[payer.user, str(payer.agent_id), payer.asker or ""] for payer in self._resting])
            values = {"mark": self.mark, "limit": BATCH, "resting": resting}
            rows = await (await connection.execute(_NEXT, values)).fetchall()
            texts = [WaitingText(*row) for row in rows]
            if texts:
                await self._index(texts, self._embedder)
        return len(texts)

    async def _index(self, texts: Sequence[WaitingText], embedder: CachedEmbedder) -> None:
        there = await self._backend.held(embedder.model, [text.id for text in texts])
        missing = [text for text in texts if text.id not in there or there[text.id][0] != text.version]
        points: list[Point] = []
        waiting: set[UUID] = set()
        for payer in dict.fromkeys(text.payer for text in missing):
            mine = [text for text in missing if text.payer == payer]
            try:
                vectors = await embedder.texts(payer, [text.text for text in mine])
            except (BudgetExhausted, PriceUnknown) as error:
                # Theirs alone: nobody else's memories wait for what one may still spend.
                _log.info(
                    "memory_indexing_rests", owner_id=payer.user, agent_id=str(payer.agent_id), error=error.detail
                )
                self._resting[payer] = _now() + _REST_S
                waiting |= {text.id for text in mine}
                continue
            points += [_point(text, vector) for text, vector in zip(mine, vectors, strict=True)]
        done = [text for text in texts if text.id not in waiting]
        await self._backend.upsert(embedder.model, points)
        await self._mark(done)
        await self._remove_gone([text.id for text in done])

    async def _mark(self, texts: Sequence[WaitingText]) -> None:
        values = {"mark": self.mark, "ids": [text.id for text in texts], "versions": [text.version for text in texts]}
        async with self._pool.connection() as connection:
            await connection.execute(_MARK, values)

    async def _remove_gone(self, ids: Collection[UUID]) -> None:
        """What was deleted while it was embedded came back by that."""
        async with self._pool.connection() as connection:
            gone = [row[0] for row in await (await connection.execute(_GONE, (list(ids),))).fetchall()]
        if gone:
            await self._backend.remove(gone)

    async def remove_some(self) -> int:
        """Have the backend drop what is gone; how many there were."""
        async with self._pool.connection() as connection:
            ids = [row[0] for row in await (await connection.execute(_REMOVALS)).fetchall()]
        if ids:
            await self._backend.remove(ids)
            async with self._pool.connection() as connection:
                await connection.execute(_REMOVED, (ids,))
        return len(ids)


def _point(text: WaitingText, vector: Any) -> Point:
    name = space_name(text.owner_id, text.scope, text.subject)
    return Point(text.id, text.space_id, name, text.version, vector, tuple(text.tags), text.updated_at)


def _now() -> float:
    return asyncio.get_running_loop().time()
