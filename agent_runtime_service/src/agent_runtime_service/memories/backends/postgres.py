"""Vectors beside the rows, by pgvector: a table for each number of dimensions, with an HNSW index.

    runtime.memory_vectors_384 (memory_id, space_id, version, model, embedding vector(384))

These tables are made when a model is first used, since its dimensions are the operator's choice; the extension is made
by whoever provides the database.
"""

from array import array
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg_pool import PoolTimeout

from agent_runtime_service.memories.backends.backend import BackendAway, Near, NearQuery, Point
from agent_runtime_service.memories.embeddings.embedder import Vector
from agent_runtime_service.memories.statements import FILTERS
from kgents_shared.db import HotPool

# Measured by `kgents bench memory`: what each costs and finds stands in docs/benchmarks.md.
LINKS, BUILD_WIDTH, SEARCH_WIDTH = 16, 64, 100
EXACT_UP_TO = 5_000
_MOST_INDEXED_DIMENSIONS = 2_000  # of pgvector's HNSW over `vector`
_MOST_DIMENSIONS = 16_000
_OVERFETCH = 2
_PREFIX: Final = "memory_vectors_"
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('kgents.runtime.memory_vectors'))"
_MISSING = (
    "PostgreSQL has no extension `vector` that the runtime can use: have an administrator create it "
    "(CREATE EXTENSION vector SCHEMA extensions)."
)
_TABLE = """
CREATE TABLE IF NOT EXISTS runtime.{table} (
    memory_id uuid PRIMARY KEY REFERENCES runtime.memories ON DELETE CASCADE,
    space_id uuid NOT NULL, version integer NOT NULL, model text NOT NULL, embedding vector({dimensions}) NOT NULL
)
"""
_BY_SPACE = "CREATE INDEX IF NOT EXISTS {index} ON runtime.{table} (space_id)"
_BY_MEANING = """
CREATE INDEX IF NOT EXISTS {index} ON runtime.{table} USING hnsw (embedding vector_cosine_ops)
WITH (m = {links}, ef_construction = {width})
"""
_UPSERT = """
INSERT INTO runtime.{table} AS kept (memory_id, space_id, version, model, embedding)
SELECT new.id, memory.space_id, new.version, %(model)s, new.vector::vector
FROM unnest(%(ids)s::uuid[], %(versions)s::int[], %(vectors)s::text[]) AS new (id, version, vector)
JOIN runtime.memories AS memory USING (id)
ON CONFLICT (memory_id) DO UPDATE SET version = excluded.version, model = excluded.model,
    embedding = excluded.embedding
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'runtime' AND starts_with(tablename, %s)"
_SETTINGS = (
    "SELECT set_config('hnsw.ef_search', '{width}', false), set_config('hnsw.iterative_scan', 'strict_order', false)"
)
# Small spaces are searched row by row, exactly; large ones by the index, which goes on where other spaces' rows stood
# in the way. `uuid_eq` keeps the planner from the index by space there. One of the two is never begun.
_NEAR = """
(SELECT kept.memory_id AS id, 1 - (kept.embedding <=> %(vector)s::vector) AS similarity
FROM runtime.{table} AS kept {joined}
WHERE uuid_eq(kept.space_id, (SELECT id FROM space)) AND kept.model = %(model)s
    AND (SELECT items FROM space) > {exact} {filters}
ORDER BY kept.embedding <=> %(vector)s::vector LIMIT %(near_limit)s)
UNION ALL
(SELECT kept.memory_id, 1 - (kept.embedding <=> %(vector)s::vector)
FROM runtime.{table} AS kept {joined}
WHERE kept.space_id = (SELECT id FROM space) AND kept.model = %(model)s
    AND (SELECT items FROM space) <= {exact} {filters}
ORDER BY (kept.embedding <=> %(vector)s::vector) + 0 LIMIT %(near_limit)s)
"""
_JOINED = "JOIN runtime.memories AS memory ON memory.id = kept.memory_id"


class PostgresVectors:
    """The default backend."""

    name = "postgres"

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool
        self._ready: set[int] = set()

    async def prepare(self, model: str, dimensions: int) -> None:
        """See `MemoryBackend.prepare`."""
        if dimensions in self._ready:
            return
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise BackendAway(f"pgvector keeps no vectors of {dimensions} dimensions.")
        table = _table(dimensions)
        names = {"table": table, "dimensions": sql.Literal(dimensions)}
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_ALONE)
            if not await _has_vectors(connection):
                raise BackendAway(_MISSING)
            await connection.execute(sql.SQL(_TABLE).format(**names))
            by_space = sql.Identifier(f"ix_{_PREFIX}{dimensions}_space_id")
            await connection.execute(sql.SQL(_BY_SPACE).format(table=table, index=by_space))
            if dimensions <= _MOST_INDEXED_DIMENSIONS:
                await connection.execute(index_statement(dimensions))
        self._ready.add(dimensions)

    async def upsert(self, model: str, points: Sequence[Point]) -> None:
        """See `MemoryBackend.upsert`."""
        if not points:
            return
        dimensions = len(points[0].vector)
        await self.prepare(model, dimensions)
        values = {
            "model": model,
            "ids": [point.id for point in points],
            "versions": [point.version for point in points],
            "vectors": [written(point.vector) for point in points],
        }
        async with self._connection() as connection:
            await connection.execute(sql.SQL(_UPSERT).format(table=_table(dimensions)), values)

    async def remove(self, ids: Collection[UUID]) -> None:
        """See `MemoryBackend.remove`."""
        async with self._connection() as connection:
            for table in await _tables(connection):
                statement = sql.SQL("DELETE FROM runtime.{} WHERE memory_id = ANY(%s)").format(sql.Identifier(table))
                await connection.execute(statement, (list(ids),))

    async def held(self, model: str, ids: Collection[UUID]) -> dict[UUID, tuple[int, Vector]]:
        """See `MemoryBackend.held`."""
        found: dict[UUID, tuple[int, Vector]] = {}
        async with self._connection() as connection:
            for table in await _tables(connection):
                statement = sql.SQL(
                    "SELECT memory_id, version, embedding::real[] FROM runtime.{} "
                    "WHERE memory_id = ANY(%s) AND model = %s"
                ).format(sql.Identifier(table))
                rows = await (await connection.execute(statement, (list(ids), model))).fetchall()
                found |= {row[0]: (row[1], _vector(row[2])) for row in rows}
        return found

    async def count(self, model: str) -> int:
        """See `MemoryBackend.count`."""
        total = 0
        async with self._connection() as connection:
            for table in await _tables(connection):
                statement = sql.SQL("SELECT count(*) FROM runtime.{} WHERE model = %s").format(sql.Identifier(table))
                row = await (await connection.execute(statement, (model,))).fetchone()
                total += 0 if row is None else int(row[0])
        return total

    async def near(self, asked: NearQuery) -> Near:
        """See `MemoryBackend.near`: a part of the search's one statement."""
        dimensions = len(asked.vector)
        await self.prepare(asked.model, dimensions)
        filtered = bool(asked.tags or asked.since or asked.until)
        indexed = dimensions <= _MOST_INDEXED_DIMENSIONS
        statement = _NEAR.format(
            table=f"{_PREFIX}{dimensions}",
            exact=EXACT_UP_TO if indexed else 2**62,
            joined=_JOINED if filtered else "",
            filters=FILTERS if filtered else "",
        )
        values = {"vector": written(asked.vector), "model": asked.model, "near_limit": asked.limit}
        return Near(statement, values, _SETTINGS.format(width=max(SEARCH_WIDTH, _OVERFETCH * asked.limit)))

    async def answers(self) -> bool:
        """See `MemoryBackend.answers`."""
        try:
            async with self._connection() as connection:
                return await _has_vectors(connection)
        except BackendAway:
            return False

    async def close(self) -> None:
        """The pool isn't ours."""

    @asynccontextmanager
    async def _connection(self) -> "AsyncGenerator[psycopg.AsyncConnection[Any]]":
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise BackendAway("The database can't be reached right now.") from error
        except (psycopg.errors.UndefinedObject, psycopg.errors.UndefinedFunction) as error:
            raise BackendAway(_MISSING) from error


def index_statement(dimensions: int) -> sql.Composed:
    """How the index by meaning of a number of dimensions is made."""
    return sql.SQL(_BY_MEANING).format(
        index=sql.Identifier(f"ix_{_PREFIX}{dimensions}_embedding"), table=_table(dimensions),
        links=sql.Literal(LINKS), width=sql.Literal(BUILD_WIDTH),
    )  # fmt: skip


def written(vector: Vector) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join([format(value, '.8g') for value in vector])}]"


def _table(dimensions: int) -> sql.Identifier:
    return sql.Identifier(f"{_PREFIX}{dimensions}")


def _vector(values: list[float]) -> Vector:
    return array("f", values)


async def _has_vectors(connection: "psycopg.AsyncConnection[Any]") -> bool:
    row = await (await connection.execute("SELECT to_regtype('vector') IS NOT NULL")).fetchone()
    return row is not None and bool(row[0])


async def _tables(connection: "psycopg.AsyncConnection[Any]") -> list[str]:
    return [str(row[0]) for row in await (await connection.execute(_TABLES, (_PREFIX,))).fetchall()]
