"""What the runtime asks of the tool registry (DESIGN §7)."""

from typing import Any, Literal
from uuid import UUID

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import ToolDefinition


class ResolveToolsRequest(Contract):
    """Body of `POST /internal/tools/resolve`: an owner's tools that an agent's patterns allow."""

    owner_id: str
    allow: list[str]
    deny: list[str]


class ResolvedTools(Contract):
    """The answer: what the model is shown."""

    tools: tuple[ToolDefinition, ...]


class KnownTool(Contract):
    """A tool of an owner. `denied`: the operator lets no agent call it."""

    name: str
    state: Literal["active", "changed", "removed", "denied"]


class KnownTools(Contract):
    """Answer of `GET /internal/tools/known`: every tool of an owner, by name."""

    tools: tuple[KnownTool, ...]


class InvokeToolRequest(Contract):
    """Body of `POST /internal/tools/invoke`. The answer is a `ToolCallResult`."""

    owner_id: str
    agent_id: UUID
    run_id: UUID
    tool_call_id: str
    idempotency_key: str
    name: str
    arguments: dict[str, Any]
    allow: list[str]
    deny: list[str]
