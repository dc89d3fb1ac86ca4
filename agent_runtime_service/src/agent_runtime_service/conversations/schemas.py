"""Conversations on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import ToolCall


class ConversationView(Contract):
    """One conversation with one agent.

    `lane` says which of its versions answers: `stable`, `canary`, or the number of one. `asked_by` is who said the
    newest of it: a `person` (or a client of the API), another `agent`, or a `replay` of a run.
    """

    id: UUID
    agent_id: UUID
    agent: str
    lane: str
    asked_by: Literal["person", "agent", "replay"] = "person"
    created_at: datetime


class MessageView(Contract):
    """One message. `run_id` is the run that it belongs to; failed runs have left the conversation.

    Of `images` the media types are told.
    """

    role: Literal["user", "assistant", "tool"]
    text: str
    run_id: UUID
    seq: int
    created_at: datetime
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False
    images: tuple[str, ...] = ()
