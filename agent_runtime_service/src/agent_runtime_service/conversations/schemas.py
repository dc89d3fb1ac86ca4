"""Conversations on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import ToolCall


class ConversationView(Contract):
    """One conversation with one agent.

    `lane` says which of its versions answers: `stable`, `canary`, or the number of one.
    """

    id: UUID
    agent_id: UUID
    agent: str
    lane: str
    created_at: datetime


class MessageView(Contract):
    """One message. `run_id` is the run that it belongs to; failed runs have left the conversation."""

    role: Literal["user", "assistant", "tool"]
    text: str
    run_id: UUID
    seq: int
    created_at: datetime
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False
