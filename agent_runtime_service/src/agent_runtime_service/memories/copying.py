"""Vectors from one backend to another, without embedding anything again. It goes on where it was interrupted.

What is asked for is a row, so that it survives whoever does it; what is done shows in the target itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.errors import CopyingNotFound, MemoryBackendUnknown
from agent_runtime_service.memories.backends.backend import MemoryBackend, Point
from agent_runtime_service.memories.spaces import space_name
from kgents_shared.db import HotPool, new_id
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.memory")
_BATCH: Final = 256
_EVERY_S: Final = 5.0
_PAUSE_S: Final = 2.0
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('kgents.runtime.memory_copying'))"
_COLUMNS = "id, source, target, model, status, copied, missing, held, error, created_at, ended_at"
_ADD = f"""
INSERT INTO runtime.memory_copyings (id, source, target, model) VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}
"""  # noqa: S608 -- our constants
_FIND = f"SELECT {_COLUMNS} FROM runtime.memory_copyings WHERE id = %s"  # noqa: S608 -- our constants
_NEXT = """
SELECT id, source, target, model, after_id FROM runtime.memory_copyings
WHERE status = 'running' ORDER BY id LIMIT 1
"""
_SOME = """
SELECT memory.id, memory.space_id, space.owner_id, space.scope, space.subject, memory.version, memory.tags,
    memory.updated_at
FROM runtime.memories AS memory JOIN runtime.memory_spaces AS space ON space.id = memory.space_id
WHERE memory.semantic AND (%(after)s::uuid IS NULL OR memory.id > %(after)s) ORDER BY memory.id LIMIT %(limit)s
"""
_WENT_ON = """
UPDATE runtime.memory_copyings SET after_id = %s, copied = copied + %s, missing = missing + %s, error = NULL
WHERE id = %s
"""
_ENDED = "UPDATE runtime.memory_copyings SET status = %s, held = %s, error = %s, ended_at = now() WHERE id = %s"
_WAITS = "UPDATE runtime.memory_copyings SET error = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Copying:
    """One copying. `missing` had no vector in the source that is current: the target embeds them when it is used.

    `held` is how many vectors the target has at the end, `error` what it waits for, or why it failed.
    """

    id: UUID
    source: str
    target: str
    model: str
    status: Literal["running", "completed", "failed"]
    copied: int
    missing: int
    held: int | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Memory:
    id: UUID
    space_id: UUID
    owner_id: str
    scope: str
    subject: str
    version: int
    tags: list[str]
    updated_at: datetime


class VectorCopying:
    """Copies what was asked for, one copying at a time over all fronts."""

    def __init__(self, pool: HotPool, backends: Mapping[str, MemoryBackend], model: str | None) -> None:
        self._pool = pool
        self._backends = backends
        self._model = model
        self._asked = asyncio.Event()

    async def begin(self, source: str, target: str) -> Copying:
        """Ask for a copying; raises `MemoryBackendUnknown`."""
        for name in (source, target):
            if name not in self._backends:
                how = " Set RUNTIME_QDRANT_URL or RUNTIME_QDRANT_PATH." if name == "qdrant" else ""
                raise MemoryBackendUnknown(f"There is no backend {name} here.{how}")
        if source == target or self._model is None:
            raise MemoryBackendUnknown(
                "Vectors are copied from one backend to another one." if source == target else
                "No model of embeddings is set up, so there are no vectors to copy."
            )  # fmt: skip
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_ADD, (new_id(), source, target, self._model))).fetchone()
        self._asked.set()
        return Copying(*(row or ()))

    async def find(self, copying_id: UUID) -> Copying:
        """How far one is; raises `CopyingNotFound`."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_FIND, (copying_id,))).fetchone()
        if row is None:
            raise CopyingNotFound("There is no such copying.")
        return Copying(*row)

    async def run(self) -> None:
        """Copy for ever."""
        while True:
            self._asked.clear()
            try:
                while await self.copy_some():
                    pass
                await asyncio.wait_for(self._asked.wait(), _EVERY_S)
            except TimeoutError:
                continue
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                _log.warning("memory_copying_waits", error=repr(error))
                await asyncio.sleep(_PAUSE_S)

    async def copy_some(self) -> bool:
        """Copy one batch of the oldest that isn't done; False where there is none, or another front is at it."""
        async with self._pool.connection() as connection, connection.transaction():
            mine = await (await connection.execute(_ALONE)).fetchone()
            row = await (await connection.execute(_NEXT)).fetchone() if mine and mine[0] else None
            if row is None:
                return False
            copying_id, source, target, model, after = row
            try:
                went_on = await self._batch(connection, copying_id, (source, target, model), after)
            except ApiError as error:
                await connection.execute(_WAITS, (error.detail, copying_id))
                return False
        return went_on

    async def _batch(
        self,
        connection: "psycopg.AsyncConnection[tuple[object, ...]]",
        copying_id: UUID,
        way: tuple[str, str, str],
        after: UUID | None,
    ) -> bool:
        source, target, model = self._backends[way[0]], self._backends[way[1]], way[2]
        rows = await (await connection.execute(_SOME, {"after": after, "limit": _BATCH})).fetchall()
        some = [_Memory(*row) for row in rows]  # pyright: ignore[reportArgumentType] -- the statement's columns
        if not some:
            held, wanted = await target.count(model), await source.count(model)
            fault = f"{target.name} has {held} vectors, {source.name} {wanted}" if held < wanted else None
            status = "completed" if fault is None else "failed"
            await connection.execute(_ENDED, (status, held, fault, copying_id))
            return True
        copied = await _copy(source, target, model, some)
        await connection.execute(_WENT_ON, (some[-1].id, copied, len(some) - copied, copying_id))
        return True


async def _copy(source: MemoryBackend, target: MemoryBackend, model: str, some: Sequence[_Memory]) -> int:
    """How many of these the target has afterwards as they are now."""
    ids = [memory.id for memory in some]
    there, here = await target.held(model, ids), await source.held(model, ids)
    points: list[Point] = []
    current = 0
    for memory in some:
        if memory.id in there and there[memory.id][0] == memory.version:
            current += 1
        elif memory.id in here and here[memory.id][0] == memory.version:
            name = space_name(memory.owner_id, memory.scope, memory.subject)
            version, vector = here[memory.id]
            points.append(
                Point(memory.id, memory.space_id, name, version, vector, tuple(memory.tags), memory.updated_at)
            )
    await target.upsert(model, points)
    return current + len(points)
