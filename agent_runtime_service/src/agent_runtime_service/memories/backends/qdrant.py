"""Vectors in Qdrant: a server, or its client's own store in a directory. A collection for each model."""

import asyncio
import hashlib
from array import array
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from agent_runtime_service.memories.backends.backend import BackendAway, Near, NearQuery, Point
from agent_runtime_service.memories.embeddings.embedder import Vector

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

_PREFIX = "kgents_memories_"
_THREADS = 4
_WITHIN_S = 10
_NEAR = """
SELECT id, similarity FROM unnest(%(near_ids)s::uuid[], %(near_similarities)s::float8[]) AS found (id, similarity)
"""
ResultT = TypeVar("ResultT")


class QdrantVectors:
    """Qdrant at `url`, or in the directory `path` of this process alone; `:memory:` is kept nowhere."""

    name = "qdrant"

    def __init__(self, url: str | None, api_key: str | None = None, path: str | None = None) -> None:
        self._url, self._api_key, self._path = url, api_key, path
        # The store in a directory is one writer's; a server takes several at once.
        self._threads = ThreadPoolExecutor(_THREADS if url else 1, thread_name_prefix="kgents-qdrant")
        self._ready: set[str] = set()

    @cached_property
    def _client(self) -> "QdrantClient":
        from qdrant_client import QdrantClient  # noqa: PLC0415 -- takes most of a second, and few platforms need it

        if self._url:
            return QdrantClient(
                url=self._url, api_key=self._api_key, timeout=_WITHIN_S, check_compatibility=False, prefer_grpc=False
            )
        return QdrantClient(location=":memory:") if self._path == ":memory:" else QdrantClient(path=self._path)

    async def prepare(self, model: str, dimensions: int) -> None:
        """See `MemoryBackend.prepare`."""
        collection = _collection(model)
        if collection not in self._ready:
            await self._call(lambda: self._make(collection, model, dimensions))
            self._ready.add(collection)

    def _make(self, collection: str, model: str, dimensions: int) -> None:
        from qdrant_client import models  # noqa: PLC0415 -- see above

        if self._client.collection_exists(collection):
            return
        size = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
        self._client.create_collection(collection, vectors_config=size, metadata={"model": model})
        if self._url:
            tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
            self._client.create_payload_index(collection, "space", tenant)
            self._client.create_payload_index(collection, "tags", models.PayloadSchemaType.KEYWORD)
            self._client.create_payload_index(collection, "at", models.PayloadSchemaType.FLOAT)

    async def upsert(self, model: str, points: Sequence[Point]) -> None:
        """See `MemoryBackend.upsert`."""
        if points:
            await self.prepare(model, len(points[0].vector))
            await self._call(lambda: self._upsert(_collection(model), points))

    def _upsert(self, collection: str, points: Sequence[Point]) -> None:
        from qdrant_client import models  # noqa: PLC0415 -- see above

        made = [
            models.PointStruct(
                id=str(point.id),
                vector=point.vector.tolist(),
                payload={
                    "space": point.space,
                    "version": point.version,
                    "tags": list(point.tags),
                    "at": point.updated_at.timestamp(),
                },
            )
            for point in points
        ]
        self._client.upsert(collection, made, wait=True)

    async def remove(self, ids: Collection[UUID]) -> None:
        """See `MemoryBackend.remove`."""
        named = [str(one) for one in ids]

        def remove() -> None:
            for collection in self._collections():
                self._client.delete(collection, cast("Any", named), wait=True)

        await self._call(remove)

    def _collections(self) -> list[str]:
        found = self._client.get_collections().collections
        return [each.name for each in found if each.name.startswith(_PREFIX)]

    async def held(self, model: str, ids: Collection[UUID]) -> dict[UUID, tuple[int, Vector]]:
        """See `MemoryBackend.held`."""
        collection, named = _collection(model), [str(one) for one in ids]

        def held() -> dict[UUID, tuple[int, Vector]]:
            if not self._client.collection_exists(collection):
                return {}
            records = self._client.retrieve(collection, named, with_payload=["version"], with_vectors=True)
            return {
                UUID(str(record.id)): (int((record.payload or {})["version"]), array("f", cast("Any", record.vector)))
                for record in records
            }

        return await self._call(held)

    async def count(self, model: str) -> int:
        """See `MemoryBackend.count`."""
        collection = _collection(model)

        def count() -> int:
            if not self._client.collection_exists(collection):
                return 0
            return self._client.count(collection, exact=True).count

        return await self._call(count)

    async def near(self, asked: NearQuery) -> Near:
        """See `MemoryBackend.near`: what it found, for the database to show what of it is the space's."""
        await self.prepare(asked.model, len(asked.vector))

        def search() -> list[tuple[UUID, float]]:
            found = self._client.query_points(
                _collection(asked.model), query=asked.vector.tolist(), query_filter=_filter(asked), limit=asked.limit,
                with_payload=False,
            )  # fmt: skip
            return [(UUID(str(point.id)), point.score) for point in found.points]

        found = await self._call(search)
        values = {"near_ids": [one[0] for one in found], "near_similarities": [one[1] for one in found]}
        return Near(_NEAR, values)

    async def answers(self) -> bool:
        """See `MemoryBackend.answers`."""
        try:
            await self._call(self._client_answers)
        except BackendAway:
            return False
        return True

    def _client_answers(self) -> None:
        self._client.get_collections()

    async def close(self) -> None:
        """Close the client, where one was made."""
        if "_client" in self.__dict__:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._client.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except _faults() as error:
            self._ready.clear()
            raise BackendAway(f"Qdrant can't be asked right now ({type(error).__name__}).") from error


def _faults() -> tuple[type[Exception], ...]:
    """What the client raises: its own errors and its transports'; RuntimeError where another process has the store."""
    import httpx  # noqa: PLC0415 -- comes with the client
    from qdrant_client.http.exceptions import ApiException  # noqa: PLC0415 -- see above

    return (ApiException, httpx.HTTPError, OSError, RuntimeError)


def _collection(model: str) -> str:
    return f"{_PREFIX}{hashlib.sha256(model.encode()).hexdigest()[:16]}"


def _filter(asked: NearQuery) -> "models.Filter":
    from qdrant_client import models  # noqa: PLC0415 -- see above

    must: list[Any] = [models.FieldCondition(key="space", match=models.MatchValue(value=asked.space))]
    must += [models.FieldCondition(key="tags", match=models.MatchValue(value=tag)) for tag in asked.tags]
    if asked.since is not None or asked.until is not None:
        at = models.Range(gte=_seconds(asked.since), lt=_seconds(asked.until))
        must.append(models.FieldCondition(key="at", range=at))
    return models.Filter(must=must)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
