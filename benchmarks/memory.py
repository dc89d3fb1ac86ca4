"""Memory by keys and by meaning: values put and got, and searches among 100,000 vectors of 384 dimensions.

`python -m benchmarks.memory [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import asyncio
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import uvloop
from numpy.typing import NDArray
from psycopg import sql

from agent_runtime_service.main import SERVICE
from agent_runtime_service.memories.backends import postgres
from agent_runtime_service.memories.backends.backend import NearQuery, Point
from agent_runtime_service.memories.backends.postgres import PostgresVectors
from agent_runtime_service.memories.embeddings.minilm import FILES, MiniLm
from agent_runtime_service.memories.repository import Draft, MemoryRepository
from agent_runtime_service.memories.spaces import Space
from benchmarks.command import parser_of, tell
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table
from benchmarks.times import Times
from kgents_cli.embedding_model import model_folder
from kgents_cli.home import Home
from kgents_shared.contracts.memories import MemorySearch
from kgents_shared.db import HotPool, migrations, new_id, open_pool
from platform_host.embedded.postgres import EmbeddedPostgres
from platform_host.embedded.provision import provision

EXACT, OURS = "every vector compared", "Kgents"
PUT, CHANGED, GOT = "put, a new key", "put, a key's next value", "get"
MEANING, HYBRID, OF_MANY = "search by meaning", "search by meaning and words", "the same, of 100 among 100,000"
EMBEDDED = "a query's vector, all-MiniLM-L6-v2 by numpy"
_MODEL = "benchmark"
_DIMENSIONS = 384
_OWNER = "ada"
_BATCH = 1_000
_NEAREST = 10
_ENDINGS = ("a", "e", "i", "o", "u", "an", "el", "is", "or", "um", "ast", "ing")
_SYLLABLES = tuple(first + ending for first in "bdfgklmnprstvz" for ending in _ENDINGS)
# The ranks of words by how common they are; the commonest hundred aren't looked for.
_COMMONEST, _RAREST = 100, 28_000
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Effort:
    """How many memories there are, and how often each thing is done."""

    memories: int
    times: int


FULL = Effort(100_000, 1_000)
QUICK = Effort(6_000, 20)


@dataclass(slots=True)
class Results(Times):
    """Everything that a run measured. `recall`: the share of the truly nearest ten that a search finds."""

    memories: int
    built_s: float = 0.0
    index_mb: float = 0.0
    recall: float = 0.0
    exact_ms: list[float] = field(default_factory=list[float])


def clustered(count: int, seed: int) -> Vectors:
    """Vectors that lie together in groups, as texts about the same do; of length 1.

    A cluster has a centre and a few directions of its own in which its members differ, and noise over all dimensions.
    """
    random = np.random.default_rng(7)
    clusters = 500
    centres = random.standard_normal((clusters, _DIMENSIONS), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    ways = random.standard_normal((clusters, 16, _DIMENSIONS), dtype=np.float32) / np.sqrt(_DIMENSIONS)
    random = np.random.default_rng(seed)
    members = random.integers(0, clusters, count)
    found = np.empty((count, _DIMENSIONS), dtype=np.float32)
    for start in range(0, count, _BATCH):
        some = members[start : start + _BATCH]
        along = random.standard_normal((len(some), 1, 16), dtype=np.float32) * np.float32(0.25)
        noise = random.standard_normal((len(some), _DIMENSIONS), dtype=np.float32) * np.float32(0.02)
        found[start : start + _BATCH] = centres[some] + (along @ ways[some])[:, 0] + noise
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def space_of(agent_id: UUID) -> Space:
    """An agent's own memory."""
    return Space(_OWNER, "agent", str(agent_id), agent_id, None, _OWNER)


class Loaded:
    """A database with so many memories of one agent, and a hundred of another."""

    def __init__(self, pool: HotPool, vectors: Vectors) -> None:
        self.pool = pool
        self.vectors = vectors
        self.rows = MemoryRepository(pool, 10_000_000)
        self.backend = PostgresVectors(pool)
        self.large, self.small = space_of(uuid4()), space_of(uuid4())
        self.ids: list[UUID] = []

    async def load(self, results: Results) -> None:
        """Put everything in; the index is built over what is there."""
        await self.backend.prepare(_MODEL, _DIMENSIONS)
        index = sql.SQL("DROP INDEX runtime.{}").format(sql.Identifier(f"ix_memory_vectors_{_DIMENSIONS}_embedding"))
        async with self.pool.connection() as connection:
            await connection.execute(index)
        for start in range(0, len(self.vectors), _BATCH):
            self.ids += await self._add(self.large, self.vectors[start : start + _BATCH], start)
        await self._add(self.small, self.vectors[:100], 0)
        began = time.perf_counter()
        async with self.pool.connection() as connection:
            await connection.execute("SET maintenance_work_mem = '512MB'")
            await connection.execute(postgres.index_statement(_DIMENSIONS))
            results.built_s = time.perf_counter() - began
            await connection.execute("ANALYZE runtime.memories")
            await connection.execute("ANALYZE runtime.memory_vectors_384")
            sizes = await connection.execute("SELECT pg_relation_size('runtime.ix_memory_vectors_384_embedding')")
            row = await sizes.fetchone()
        results.index_mb = 0.0 if row is None else row[0] / 2**20

    async def _add(self, space: Space, vectors: Vectors, start: int) -> list[UUID]:
        draft = Draft(f"key.{start}", text_of(start), (), semantic=True, replace=False)
        first = await self.rows.put(space, draft)
        if first is None:
            raise RuntimeError("nothing was kept")
        ids = [first[0].id, *(new_id() for _ in vectors[1:])]
        copy = """
        INSERT INTO runtime.memories (id, owner_id, space_id, scope, agent_id, principal, key, text)
        SELECT new.id, owner_id, space_id, scope, agent_id, principal, 'key.' || new.number, new.text
        FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS new (id, number, text), runtime.memories AS kept
        WHERE kept.id = %s
        """
        numbers = list(range(start + 1, start + len(vectors)))
        async with self.pool.connection() as connection:
            await connection.execute(copy, (ids[1:], numbers, [text_of(number) for number in numbers], ids[0]))
            counted = "UPDATE runtime.memory_spaces SET items = items + %s WHERE subject = %s"
            await connection.execute(counted, (len(numbers), space.subject))
        moment = first[0].created_at
        points = [
            Point(each, first[0].id, space.name, 1, array("f", vector.tobytes()), (), moment)
            for each, vector in zip(ids, vectors, strict=True)
        ]
        await self.backend.upsert(_MODEL, points)
        return ids

    async def search(self, space: Space, vector: Vectors, query: str, mode: Any) -> list[UUID]:
        """The ids of what a search finds: with one statement sent, and its settings before it."""
        near = await self.backend.near(
            NearQuery(_MODEL, array("f", vector.astype(np.float32).tobytes()), space.name, max(20, _NEAREST))
        )
        asked = MemorySearch(owner_id=_OWNER, agent_id=space.agent_id, query=query, mode=mode, limit=_NEAREST)
        return [found.id for found in await self.rows.search(space, asked, near)]


def text_of(number: int) -> str:
    """Ten words, as often as they are in texts of people (Zipf's law)."""
    shares = ((number * 2_654_435_761 + step * 1_013_904_223) % 2**32 / 2**32 for step in range(10))
    ranks = (int(_COMMONEST * (_RAREST / _COMMONEST) ** share) for share in shares)
    return " ".join(word_of(rank) for rank in ranks)


def word_of(rank: int) -> str:
    """A word of two or three syllables."""
    size = len(_SYLLABLES)
    return _SYLLABLES[rank % size] + _SYLLABLES[rank // size % size] + ("" if rank < size * size else "s")


async def measure(loaded: Loaded, effort: Effort, results: Results) -> None:
    """Values first, then searches; each search by meaning is held against all vectors."""
    keys = space_of(uuid4())
    for number in range(effort.times):
        for what, value in ((PUT, "first"), (CHANGED, "second")):
            draft = Draft(f"key.{number}", value, (), semantic=True, replace=True)
            began = time.perf_counter()
            await loaded.rows.put(keys, draft)
            results.add(what, began)
        began = time.perf_counter()
        await loaded.rows.get(keys, f"key.{number}")
        results.add(GOT, began)
    found_of_them = 0
    for number, query in enumerate(clustered(effort.times, 11)):
        words = " ".join(text_of(number * 31).split()[:4])
        began = time.perf_counter()
        found = await loaded.search(loaded.large, query, words, "semantic")
        results.add(MEANING, began)
        began = time.perf_counter()
        await loaded.search(loaded.large, query, words, "hybrid")
        results.add(HYBRID, began)
        began = time.perf_counter()
        await loaded.search(loaded.small, query, words, "hybrid")
        results.add(OF_MANY, began)
        began = time.perf_counter()
        nearest = np.argpartition(-(loaded.vectors @ query), _NEAREST)[:_NEAREST]
        results.exact_ms.append((time.perf_counter() - began) * 1000)
        found_of_them += len({loaded.ids[int(place)] for place in nearest} & set(found))
    results.recall = found_of_them / (effort.times * _NEAREST)


def embed(effort: Effort, results: Results) -> None:
    """A query's vector, where the model is installed."""
    folder = model_folder(Home.from_environment())
    if not all((folder / name).is_file() for name in FILES):
        print(f"{folder} has no model (kgents memory install): no query is embedded", file=sys.stderr)
        return
    model = MiniLm(folder)
    model.embed(["a first one, which loads it"])
    for number in range(min(effort.times, 100)):
        began = time.perf_counter()
        model.embed([f"What does the customer like to drink in the morning of day {number}?"])
        results.add(EMBEDDED, began)


async def run(effort: Effort) -> Results:
    """Start a database, fill it, measure, end it."""
    results = Results(machine(), effort.memories)
    with tempfile.TemporaryDirectory(prefix="kgents-bench-") as name:
        folder = Path(name)
        async with EmbeddedPostgres(folder / "postgres") as server:
            url = (await provision(server.url, [SERVICE], folder / "secrets"))[SERVICE.name]
            await asyncio.to_thread(migrations.upgrade, SERVICE, url)
            async with open_pool(url) as pool:
                loaded = Loaded(pool, clustered(effort.memories, 3))
                await loaded.load(results)
                await measure(loaded, effort, results)
    embed(effort, results)
    return results


def rows(results: Results) -> list[Row]:
    """The table."""
    many = f"{results.memories:,}"
    p50 = {what: median(times) for what, times in results.times_ms.items()}
    p95 = {what: sorted(times)[int(len(times) * 0.95)] for what, times in results.times_ms.items()}
    goal = Goal(5.0, "at most")
    found = [Row(f"{what}, p50", "ms", {OURS: p50[what]}, final=goal) for what in (PUT, CHANGED, GOT) if what in p50]
    for what in (MEANING, HYBRID, OF_MANY):
        named = what if what == OF_MANY else f"{what}, {many} x {_DIMENSIONS}"
        exact = {EXACT: median(results.exact_ms)} if what == MEANING and results.exact_ms else {}
        if what in p50:
            found.append(Row(f"{named}, p50", "ms", {OURS: p50[what], **exact}))
            found.append(Row(f"{named}, p95", "ms", {OURS: p95[what]}, final=Goal(15.0, "at most")))
    found.append(Row("recall of the nearest ten", "", {OURS: results.recall, EXACT: 1.0}, final=Goal(0.95, "at least")))
    found.append(Row("building the index", "s", {OURS: results.built_s}))
    found.append(Row("size of the index", "MB", {OURS: results.index_mb}))
    if EMBEDDED in p50:
        found.append(Row(f"{EMBEDDED}, p50", "ms", {OURS: p50[EMBEDDED]}))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("memory", "What memory costs, by keys and by meaning.")
    chosen = parser.parse_args(arguments)
    results = uvloop.run(run(QUICK if chosen.quick else FULL))
    tell(chosen, table(rows(results), [EXACT, OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
