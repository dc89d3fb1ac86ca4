"""The table `drafts`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from nl_agent_service.metadata import Base


class DraftState(StrEnum):
    """How far a drafting is."""

    RUNNING = "running"
    DRAFTED = "drafted"
    """There is an agent with a draft."""
    PUBLISHED = "published"
    """The agent runs, as was asked for."""
    FAILED = "failed"
    """There is no agent; `fault` says why."""


class DraftRow(Base):
    """One drafting. `asked_by` is the person, `owner_id` whose the agent is to be: theirs, or an organisation's.

    `asked` is the request, `attempts` each draft's faults and tokens, `result` what was made (`schemas.Result`).
    """

    __tablename__ = "drafts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(Text)
    asked: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any]] = mapped_column(JSONB)
    agent_id: Mapped[UUID | None]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    fault: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("state IN ('running', 'drafted', 'published', 'failed')", name="state"),
        Index("uq_drafts_asked_by_idempotency_key", "asked_by", "idempotency_key", unique=True),
        Index("ix_drafts_created_at", "created_at"),
    )
