"""Memory on the wire, as people see and change it. What agents do is in `kgents_shared.contracts.memories`."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from kgents_shared.contracts.agent_spec import MemoryScope
from kgents_shared.contracts.memories import Limit, MemoryValue, Method, Query, SearchMode, Tags
from kgents_shared.contracts.model import Contract

BackendName = Literal["postgres", "qdrant"]


class MemoryBody(Contract):
    """What a key is to have. `scope` absent is the agent's own; a conversation's needs its id."""

    value: MemoryValue
    tags: Tags = ()
    scope: MemoryScope | None = None
    conversation_id: UUID | None = None


class SearchBody(Contract):
    """What to look for. `scope` absent is the agent's own; a conversation's needs its id."""

    query: Query
    limit: Limit = 10
    mode: SearchMode = "hybrid"
    tags: Tags = ()
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    scope: MemoryScope | None = None
    conversation_id: UUID | None = None


class CopyingBody(Contract):
    """From where to where the vectors go."""

    source: BackendName
    target: BackendName


class CopyingView(Contract):
    """A copying of vectors, as far as it is."""

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


class MemoryStateView(Contract):
    """How memories are found right now. `waiting`: memories that have no vector of the model yet."""

    method: Method
    backend: str
    backend_answers: bool
    embeddings: str
    waiting: int
    note: str | None
