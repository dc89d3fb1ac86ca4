"""What the runtime asks of the tool registry (DESIGN §7)."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.agent_spec import MemoryScope
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


class ToolPrice(Contract):
    """What one call of a tool costs, by the word of whom it belongs to: a decimal string in a currency (ISO 4217)."""

    amount: str
    currency: str


class ResolvedTools(Contract):
    """The answer: what the model is shown, and by name what calls cost, as far as anybody said."""

    tools: tuple[ToolDefinition, ...]
    prices: dict[str, ToolPrice] = Field(default_factory=dict[str, ToolPrice])


class KnownTool(Contract):
    """A tool of an owner. `denied`: the operator, or a rule, lets no agent call it."""

    name: str
    state: Literal["active", "changed", "removed", "denied"]


class KnownTools(Contract):
    """Answer of `GET /internal/tools/known`: every tool of an owner, by name, and what its capabilities stand for."""

    tools: tuple[KnownTool, ...]
    capabilities: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])


class MemoryUse(Contract):
    """What an agent's definition says of its memory, for the tools `memory.*`."""

    scope: MemoryScope = "agent"
    semantic: bool = True


class InvokeToolRequest(Contract):
    """Body of `POST /internal/tools/invoke`: one call, by an agent's run or by a person (then it has no agent).

    `owner_id` is whose tools are meant, `principal` the subject of who asked. `allow` and `deny` are the agent's
    patterns. `hops` are the agents whose runs led here, the first one first. `memory` is how the agent remembers.
    `awaited_run` is the run that was to answer this call when it was made before (`InvokeToolAnswer.awaited_run`).
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
    memory: MemoryUse = MemoryUse()
    awaited_run: UUID | None = None


class ApprovalWait(Contract):
    """A call that waits for a person."""

    approval_id: UUID
    expires_at: datetime


class InvokeToolAnswer(Contract):
    """What came of a call. One that waits is asked for again, with the same key, once its approval is decided.

    `awaited_run` is another agent's run that is to answer it, and itself waits: it is asked for again once that ended.
    `effect_unknown` is said of one that may have had its effect, and nobody can tell. `cost` is what one that went out
    is recorded with.
    """

    content: str
    is_error: bool = False
    effect_unknown: bool | None = None
    cost: ToolPrice | None = None
    waiting: ApprovalWait | None = None
    awaited_run: UUID | None = None


class StopCalls(Contract):
    """Body of `POST /internal/tools/stop`: the run was cancelled; its calls end, and none of them is made any more."""

    run_id: UUID


class StoppedCall(Contract):
    """What became of one: `unknown` may have had its effect, `running` is asked to end and hasn't yet."""

    tool_call_id: str
    state: Literal["completed", "cancelled", "unknown", "running"]


class StoppedCalls(Contract):
    """The answer: every call of the run."""

    calls: tuple[StoppedCall, ...]


class RecordedCall(Contract):
    """What the registry knows of one call of a run: how it was decided, and how it went.

    `outcome` is `completed`, `tool_error`, `running`, `waiting_approval`, or the name of what kept the call from a
    result; `denied_by` says which rule. `cost` is a decimal in `cost_currency`.
    """

    run_id: UUID
    tool_call_id: str
    outcome: str
    side_effect: SideEffect | None
    denied_by: dict[str, Any] | None
    approval_id: UUID | None
    result_bytes: int | None
    latency_ms: float | None
    cost: str | None
    cost_currency: str | None
    started_at: datetime
    ended_at: datetime | None


class RecordedCalls(Contract):
    """Answer of `GET /internal/tools/calls?run_id=…&run_id=…`, 100 runs at most; the oldest calls first."""

    calls: tuple[RecordedCall, ...]


class ToolsChanged(Contract):
    """Data of the event `tools.changed`: an owner's tools, or what may be done with them, are not what they were.

    Without an owner it is everybody's.
    """

    owner_id: str | None
