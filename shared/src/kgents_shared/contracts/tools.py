"""What the runtime asks of the tool registry (DESIGN §7)."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import ToolDefinition

SideEffect = Literal["none", "read", "write", "external"]
"""What a call does outside: nothing, reads, changes what can be changed back, or has an effect on the world."""

TOOLS_CHANGED = "tools.changed"


RESERVED_FIRST_NAMES: Final = frozenset({"http", "files", "memory"})
"""What names of builtin tools begin with: nobody's server, imported API or tool has such a name."""


class ResolveToolsRequest(Contract):
    """Body of `POST /internal/tools/resolve`: an owner's tools that an agent's patterns and all rules allow."""

    owner_id: str
    agent_name: str | None = None
    allow: list[str]
    deny: list[str]


class ResolvedTools(Contract):
    """The answer: what the model is shown."""

    tools: tuple[ToolDefinition, ...]


class KnownTool(Contract):
    """A tool of an owner. `denied`: the operator, or a rule, lets no agent call it."""

    name: str
    state: Literal["active", "changed", "removed", "denied"]


class KnownTools(Contract):
    """Answer of `GET /internal/tools/known`: every tool of an owner, by name, and what its capabilities stand for."""

    tools: tuple[KnownTool, ...]
    capabilities: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])


class InvokeToolRequest(Contract):
    """Body of `POST /internal/tools/invoke`: one call, by an agent's run or by a person (then it has no agent).

    `owner_id` is whose tools are meant, `principal` the subject of who asked. `allow` and `deny` are the agent's
    patterns. `hops` are the agents whose runs led here, the first one first.
    """

    owner_id: str
    principal: str
    agent_id: UUID | None = None
    agent_name: str | None = None
    agent_version: int | None = None
    run_id: UUID | None = None
    conversation_id: UUID | None = None
    tool_call_id: str
    idempotency_key: str
    name: str
    arguments: dict[str, Any]
    allow: list[str]
    deny: list[str]
    hops: tuple[UUID, ...] = ()


class ApprovalWait(Contract):
    """A call that waits for a person."""

    approval_id: UUID
    expires_at: datetime


class InvokeToolAnswer(Contract):
    """What came of a call. One that waits is asked for again, with the same key, once its approval is decided."""

    content: str
    is_error: bool = False
    waiting: ApprovalWait | None = None


class ToolsChanged(Contract):
    """Data of the event `tools.changed`: an owner's tools, or what may be done with them, are not what they were.

    Without an owner it is everybody's.
    """

    owner_id: str | None
