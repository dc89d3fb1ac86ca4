"""The tables `conversations` and `steps`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, DateTime, ForeignKey, Index, Text, func, true
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class ConversationRow(Base):
    """One conversation of one owner with one agent. `lane` says which of its versions answers (`instances.lanes`)."""

    __tablename__ = "conversations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    agent_name: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text, server_default="stable")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (Index("ix_conversations_owner_id_id", "owner_id", "id"),)


class StepRow(Base):
    """One message of the transcript, which is the checkpoint (DESIGN §6).

    `payload` is the JSON of a contract `Message`, kept as text so that a transcript is handed on unparsed. A failed
    run's steps have `in_context` false: they stay as a record, and no model sees them.
    """

    __tablename__ = "steps"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    payload: Mapped[Any] = mapped_column(JSON)
    in_context: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (CheckConstraint("kind IN ('user', 'assistant', 'tool', 'final')", name="kind"),)
