"""The tables `conversations` and `steps`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, DateTime, ForeignKey, Index, Text, func, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class ConversationRow(Base):
    """One conversation of one owner with one agent. `lane` says which of its versions answers (`instances.lanes`).

    The model is shown its messages from the place `context_from` on; `summary` is of those up to `summary_of_seq`.
    `facts` are what its user pinned: by key, `{text, pinned_at}`. Where its agent shared what is remembered when it
    began, `shared_with` is that agent's owner, and the facts stand in `shared_facts`.
    """

    __tablename__ = "conversations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    agent_name: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text, server_default="stable")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    context_from: Mapped[int] = mapped_column(server_default=text("1"))
    summary: Mapped[str | None] = mapped_column(Text)
    summary_of_seq: Mapped[int | None]
    facts: Mapped[Any | None] = mapped_column(JSONB)
    shared_with: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_conversations_owner_id_id", "owner_id", "id"),
        Index(
            "ix_conversations_shared",
            "owner_id",
            "shared_with",
            "id",
            postgresql_where=text("shared_with IS NOT NULL"),
        ),
    )


class SharedFactsRow(Base):
    """What one user pinned for all conversations with those agents of an owner that share what is remembered."""

    __tablename__ = "shared_facts"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    shared_with: Mapped[str] = mapped_column(Text, primary_key=True)
    facts: Mapped[Any] = mapped_column(JSONB)


class ContextChangeRow(Base):
    """That a run's model was shown less from then on: what fell out, and how (contract `ContextChange`)."""

    __tablename__ = "context_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    run_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(Text)
    forgotten: Mapped[int]
    context_from: Mapped[int]
    summarised: Mapped[bool]
    failure: Mapped[str | None] = mapped_column(Text)
    shortened: Mapped[int]
    tokens_before: Mapped[int]
    tokens_after: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index("ix_context_changes_conversation_id", "conversation_id"),
        Index("ix_context_changes_run_id", "run_id"),
    )


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
