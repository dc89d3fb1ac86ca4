"""What goes over the wire for recorded calls."""

from datetime import datetime
from typing import Any
from uuid import UUID

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.costs.schemas import Cost


class InvocationView(Contract):
    """One call. `principal` asked for it, through an agent's run or (then without one) themselves.

    `arguments` are masked: nothing that looks like a secret is kept. `outcome` is `completed`, `tool_error`, `running`,
    `waiting_approval`, or the name of what kept the call from a result; `denied_by` says which rule. Results are not
    kept here, only their size in bytes.
    """

    id: UUID
    owner_id: str
    principal: str
    agent_id: UUID | None
    agent_name: str | None
    agent_version: int | None
    run_id: UUID | None
    conversation_id: UUID | None
    tool_call_id: str
    tool: str
    side_effect: SideEffect | None
    arguments: dict[str, Any]
    outcome: str
    is_error: bool | None
    denied_by: dict[str, Any] | None
    approval_id: UUID | None
    result_bytes: int | None
    latency_ms: float | None
    cost: Cost | None
    started_at: datetime
    ended_at: datetime | None
