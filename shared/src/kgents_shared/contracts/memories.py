"""What the tools `memory.store` and `memory.search` ask of the runtime, which keeps what agents remember."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract

MOST_MEMORY_CHARS = 8_000
MOST_FOUND = 50


class NewMemory(Contract):
    """Body of `POST /internal/memories`. The same `key` of an agent is the same memory."""

    owner_id: str
    agent_id: UUID
    conversation_id: UUID | None = None
    key: str
    text: Annotated[Text, Field(min_length=1, max_length=MOST_MEMORY_CHARS)]


class Memory(Contract):
    """Something that an agent keeps."""

    id: UUID
    text: str
    conversation_id: UUID | None
    created_at: datetime


class MemorySearch(Contract):
    """Body of `POST /internal/memories/search`: what an agent keeps that has one of the words, the best first.

    Words are compared as they are written, whatever their case. An empty query gives the newest.
    """

    owner_id: str
    agent_id: UUID
    query: Annotated[Text, Field(max_length=1_000)]
    limit: Annotated[int, Field(ge=1, le=MOST_FOUND)] = 10


class FoundMemories(Contract):
    """The answer to a search."""

    memories: tuple[Memory, ...]
