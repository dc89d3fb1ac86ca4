"""All SQL about memories, filtered by owner and space."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, cast
from uuid import UUID

from psycopg.types.json import Jsonb

from agent_runtime_service.memories import statements
from agent_runtime_service.memories.backends.backend import Near
from agent_runtime_service.memories.query_words import has_words, telling_words
from agent_runtime_service.memories.spaces import Space
from kgents_shared.contracts.agent_spec import MemoryScope
from kgents_shared.contracts.memories import FoundMemory, Memory, MemorySearch, value_as_text
from kgents_shared.db import HotPool, PageRequest, id_in, new_id

MOST_VERSIONS = 100
_MOST_RANKED = 1_000
_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be kept. Without `replace` a key that is there keeps what it has."""

    key: str
    value: Any
    tags: tuple[str, ...]
    semantic: bool
    replace: bool


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who reads an agent's memories: whose things they may see, and who they are."""

    owner_ids: Collection[str]
    own_id: str
    subject: str
    agent_id: UUID

    @property
    def values(self) -> dict[str, Any]:
        """For statements."""
        return {
            "owner_ids": sorted(self.owner_ids), "own_id": self.own_id, "subject": self.subject,
            "agent_id": self.agent_id,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class MemoryFilter:
    """Which memories a list has. `since` and `until` bound when they changed; `as_of`: as they were then."""

    scope: MemoryScope | None = None
    prefix: str = ""
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None


NOTHING_NEAR = Near(statements.NOTHING_NEAR, {})


class MemoryRepository:
    """Reads and writes memories. `beside`: their meaning stands elsewhere, and what is gone must be told there."""

    def __init__(self, pool: HotPool, most: int, *, beside: bool = False) -> None:
        self._pool = pool
        self.most = most
        self._beside = beside

    async def put(self, space: Space, draft: Draft) -> tuple[Memory, bool] | None:
        """Keep a value, and whether that changed anything; None where the space has `most`."""
        value = None if isinstance(draft.value, str) else Jsonb(draft.value)
        values = {
            **space.values, "id": new_id(), "space_id": new_id(), "key": draft.key, "value": value,
            "text": value_as_text(draft.value), "tags": list(draft.tags), "semantic": draft.semantic,
            "replace": draft.replace, "most": self.most, "most_versions": MOST_VERSIONS,
        }  # fmt: skip
        rows = await self._held(statements.OPEN, statements.PUT, values)
        return (_memory(rows[0][1:]), bool(rows[0][0])) if rows else None

    async def end(self, space: Space, key: str) -> Memory | None:
        """End a key's value, which stays in its history; what it was, None where the key has none."""
        values = {**space.values, "key": key, "beside": self._beside}
        rows = await self._held(statements.HOLD, statements.END, values)
        return _memory(rows[0]) if rows else None

    async def forget_key(self, space: Space, key: str) -> bool:
        """Delete what a key has and had; False where that is nothing."""
        values = {**space.values, "key": key, "beside": self._beside}
        return bool(await self._held(statements.HOLD, statements.FORGET_KEY, values))

    async def forget(self, viewer: Viewer, memory_id: UUID) -> bool:
        """Delete a memory with its history; False where the viewer's agent has no such one."""
        values = {**viewer.values, "id": memory_id, "beside": self._beside}
        return bool(await self._held(statements.HOLD_OF, statements.FORGET, values))

    async def get(self, space: Space, key: str, as_of: datetime | None = None) -> Memory | None:
        """What a key has, or had at a time."""
        statement = statements.GET if as_of is None else statements.GET_AS_OF
        rows = await self._rows(statement, {**space.values, "key": key, "as_of": as_of})
        return _memory(rows[0]) if rows else None

    async def history(self, space: Space, key: str) -> list[Memory]:
        """What a key has and had, the newest first."""
        values = {**space.values, "key": key, "limit": MOST_VERSIONS + 1}
        return [_memory(row) for row in await self._rows(statements.HISTORY, values)]

    async def find(self, viewer: Viewer, memory_id: UUID) -> Memory | None:
        """The memory of an id."""
        rows = await self._rows(statements.FIND, {**viewer.values, "id": memory_id})
        return _memory(rows[0]) if rows else None

    async def page(self, viewer: Viewer, wanted: MemoryFilter, request: PageRequest) -> list[Memory]:
        """`limit + 1` of what an agent keeps, the newest first."""
        after = None if request.after is None else id_in(request.after)
        values = {
            **viewer.values, "scope": wanted.scope, "prefix": wanted.prefix, "tags": list(wanted.tags),
            "since": wanted.since, "until": wanted.until, "as_of": wanted.as_of, "after": after,
            "limit": request.limit + 1,
        }  # fmt: skip
        statement = statements.PAGE if wanted.as_of is None else statements.PAGE_AS_OF
        return [_memory(row) for row in await self._rows(statement, values)]

    async def search(self, space: Space, asked: MemorySearch, near: Near) -> list[FoundMemory]:
        """The best first, by words and by what is `near`; for an empty query the newest."""
        values: dict[str, Any] = {
            **space.values, "tags": list(asked.tags), "since": asked.since, "until": asked.until, "limit": asked.limit,
        }  # fmt: skip
        if not has_words(asked.query):
            return [_found(row) for row in await self._rows(statements.NEWEST, values)]
        by_words = asked.mode != "semantic" or near is NOTHING_NEAR
        values |= {
            "words": telling_words(asked.query), "by_words": by_words, "most_ranked": _MOST_RANKED,
            "candidates": max(_CANDIDATES, asked.limit), "ways": int(by_words) + int(near is not NOTHING_NEAR),
        }  # fmt: skip
        statement = statements.SEARCH.format(near=near.sql)
        async with self._pool.connection() as connection, connection.pipeline(), connection.cursor() as cursor:
            if near.settings is not None:
                await connection.execute(cast("LiteralString", near.settings))
            await cursor.execute(cast("LiteralString", statement), {**values, **near.values})
            return [_found(row) for row in await cursor.fetchall()]

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(cast("LiteralString", statement), values)
            return await cursor.fetchall()

    async def _held(self, hold: str, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """A change of a space whose row `hold` locks: one transaction, sent in one go."""
        async with (
            self._pool.connection() as connection,
            connection.pipeline(),
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            await connection.execute(cast("LiteralString", hold), values)
            await cursor.execute(cast("LiteralString", statement), values)
            return await cursor.fetchall()


def _memory(row: tuple[Any, ...]) -> Memory:
    return Memory(**_fields(row))


def _found(row: tuple[Any, ...]) -> FoundMemory:
    return FoundMemory(**_fields(row), score=row[12], similarity=row[13])


def _fields(row: tuple[Any, ...]) -> dict[str, Any]:
    identity, key, text, value, tags, scope, agent_id, conversation_id, version, created, updated, ended = row[:12]
    return {
        "id": identity, "key": key, "text": text, "value": text if value is None else value, "tags": tuple(tags),
        "scope": scope, "agent_id": agent_id, "conversation_id": conversation_id, "version": version,
        "created_at": created, "updated_at": updated, "ended_at": ended,
    }  # fmt: skip
