"""A run on the wire (DESIGN §12)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from kgents_shared.contracts.model import Contract


class RunView(Contract):
    """One run. `error` is `{code, detail, status}` of a failed one; `text` is there once it is completed."""

    run_id: UUID
    conversation_id: UUID
    agent: str
    version: int
    status: str
    text: str | None
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    started_at: datetime | None
    ended_at: datetime | None
