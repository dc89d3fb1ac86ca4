"""What the tools `memory.*` ask of the runtime, which keeps what agents remember; what people read is the same."""

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import pydantic_core
from pydantic import AfterValidator, AwareDatetime, Field, JsonValue, StringConstraints

from kgents_shared.contracts.agent_spec import MemoryScope, Text, storable
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.path_table import parses_as_uuid

MOST_MEMORY_CHARS: Final = 8_000
MOST_FOUND: Final = 50
MOST_TAGS: Final = 20
STORED: Final = "text:"
"""What the keys begin with of texts that were kept without one."""
Method = Literal["hybrid", "semantic", "words", "newest"]
"""How memories were found: by words and meaning, by meaning alone, by words alone, or for no query the newest."""
SearchMode = Literal["hybrid", "semantic", "words"]


def _no_id(key: str) -> str:
    if parses_as_uuid(key):
        raise pydantic_core.PydanticCustomError("key_is_id", "reads as an id of a memory; choose another key")
    if key.startswith(STORED):
        raise pydantic_core.PydanticCustomError("key_is_taken", "begins as the keys of stored texts; choose another")
    return key


def _bounded(value: JsonValue) -> JsonValue:
    """A value whose JSON is as short as a text may be, and that PostgreSQL can hold."""
    if value is None:
        raise pydantic_core.PydanticCustomError("no_value", "must be something; to have none, delete the key")
    written = value if isinstance(value, str) else pydantic_core.to_json(value, inf_nan_mode="constants").decode()
    if not written or len(written) > MOST_MEMORY_CHARS:
        raise pydantic_core.PydanticCustomError(
            "value_size", "must have 1 to {most} characters, written as JSON", {"most": MOST_MEMORY_CHARS}
        )
    if "\\u0000" in written:
        raise pydantic_core.PydanticCustomError("nul_character", "must not contain a NUL character")
    storable(written)
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise pydantic_core.PydanticCustomError("finite_number", "must have finite numbers only") from error
    return value


MemoryKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}$"), AfterValidator(_no_id)]
MemoryValue = Annotated[JsonValue, AfterValidator(_bounded)]
Tag = Annotated[Text, StringConstraints(min_length=1, max_length=64)]
Tags = Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)]
Query = Annotated[Text, Field(max_length=1_000)]
Limit = Annotated[int, Field(ge=1, le=MOST_FOUND)]


class MemoryPlace(Contract):
    """Whose memory is meant: an agent's of an owner, in a run of `principal`'s, as the agent's definition has it."""

    owner_id: str
    agent_id: UUID
    conversation_id: UUID | None = None
    principal: str = ""
    scope: MemoryScope = "agent"
    semantic: bool = True


class NewMemory(MemoryPlace):
    """Body of `POST /internal/memories`. The same `key` is the same memory, which is left as it is."""

    key: str
    text: Annotated[Text, Field(min_length=1, max_length=MOST_MEMORY_CHARS)]
    tags: Tags = ()


class PutMemory(MemoryPlace):
    """Body of `POST /internal/memories/put`: from now on the key has this value; what it had before is its history."""

    key: MemoryKey
    value: MemoryValue
    tags: Tags = ()


class MemoryByKey(MemoryPlace):
    """Body of `POST /internal/memories/{get,history,delete}`. `as_of`: the value that the key had then."""

    key: MemoryKey
    as_of: AwareDatetime | None = None


class Memory(Contract):
    """Something that is kept. `text` is what searches read: the value itself, or its JSON.

    `version` counts from 1; `updated_at` is since when the value is this one, `ended_at` until when it was.
    """

    id: UUID
    key: str
    text: str
    value: JsonValue
    tags: tuple[str, ...] = ()
    scope: MemoryScope
    agent_id: UUID
    conversation_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None


class FoundMemory(Memory):
    """One that was found. `score`: 1 is the best by every way of the search; `similarity`: cosine, where by meaning."""

    score: float | None = None
    similarity: float | None = None


class MemorySearch(MemoryPlace):
    """Body of `POST /internal/memories/search`: the best first. An empty query gives the newest.

    Words are compared as they are written, whatever their case. `tags`: those that have all of them.
    """

    query: Query
    limit: Limit = 10
    mode: SearchMode = "hybrid"
    tags: Tags = ()
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class FoundMemories(Contract):
    """The answer to a search. `method` is how it was done, which may be less than what was asked for; then `note`."""

    memories: tuple[FoundMemory, ...]
    method: Method = "words"
    note: str | None = None


class MemoryVersions(Contract):
    """What a key had and has, the newest first."""

    versions: tuple[Memory, ...]


class GottenMemory(Contract):
    """What a key has, or None."""

    memory: Memory | None


def value_as_text(value: Any) -> str:
    """What searches read of a value."""
    return value if isinstance(value, str) else pydantic_core.to_json(value).decode()
