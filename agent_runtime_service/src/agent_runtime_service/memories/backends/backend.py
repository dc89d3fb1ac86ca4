"""What keeps and searches vectors, as a Protocol. One conformance suite runs over every implementation.

The memories themselves are rows of PostgreSQL, whatever the backend: it holds what can be made anew from them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from agent_runtime_service.memories.embeddings.embedder import Vector
from kgents_shared.errors import Unavailable


class BackendAway(Unavailable):
    """The backend can't be reached, or isn't there."""

    default_code = "memory_backend_away"


@dataclass(frozen=True, slots=True)
class Point:
    """The vector of a memory's text as of `version`. `space` names its space to backends beside the database."""

    id: UUID
    space_id: UUID
    space: str
    version: int
    vector: Vector
    tags: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NearQuery:
    """What is looked for: the memories of a space whose vectors of `model` are nearest."""

    model: str
    vector: Vector
    space: str
    limit: int
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """What is near in meaning: SQL that gives `id` and `similarity`, its values, and settings that it needs.

    In it `space` is the searched space's row, and `FILTERS` of the statements hold for `memory`.
    """

    sql: str
    values: Mapping[str, Any]
    settings: str | None = None


class MemoryBackend(Protocol):
    """Keeps vectors by model. Every method raises `BackendAway`."""

    name: str

    async def prepare(self, model: str, dimensions: int) -> None:
        """Make room for vectors of a model; may be called again and again."""
        ...

    async def upsert(self, model: str, points: Sequence[Point]) -> None:
        """Keep vectors, over those that these memories have."""
        ...

    async def remove(self, ids: Collection[UUID]) -> None:
        """Drop the vectors of these memories, of every model."""
        ...

    async def held(self, model: str, ids: Collection[UUID]) -> dict[UUID, tuple[int, Vector]]:
        """Which of these memories it has vectors of, as of which version."""
        ...

    async def count(self, model: str) -> int:
        """How many vectors of a model it has."""
        ...

    async def near(self, asked: NearQuery) -> Near:
        """The nearest ones, the nearest first."""
        ...

    async def answers(self) -> bool:
        """Whether it can be used right now. Raises nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...
