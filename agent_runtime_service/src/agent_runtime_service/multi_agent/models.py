"""The tables of contexts: who takes part, what was said, and which runs answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class ContextRow(Base):
    """One context. `last_seq` is the place of its last message; `state` is what its owner keeps with it."""

    __tablename__ = "multi_agent_contexts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    collaboration_model: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="active")
    details: Mapped[Any] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    state: Mapped[Any] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    state_version: Mapped[int] = mapped_column(server_default=text("0"))
    state_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_seq: Mapped[int] = mapped_column(server_default=text("0"))
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    last_activity: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        CheckConstraint("status IN ('active', 'closed')", name="status"),
        CheckConstraint("collaboration_model IN ('parallel', 'sequential')", name="collaboration_model"),
        Index("ix_multi_agent_contexts_owner_id_id", "owner_id", "id"),
        Index(
            "uq_multi_agent_contexts_key",
            "owner_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )


class ParticipantRow(Base):
    """An agent that takes part, or took part until `left_at`.

    It sees what came after `joined_seq`; up to `seen_seq` it was told. `conversation_id` is its own conversation, in
    which it answers.
    """

    __tablename__ = "context_participants"

    context_id: Mapped[UUID] = mapped_column(
        ForeignKey("multi_agent_contexts.id", ondelete="CASCADE"), primary_key=True
    )
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_name: Mapped[str] = mapped_column(Text)
    agent_owner_id: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default="")
    visibility: Mapped[str] = mapped_column(Text, server_default="shared")
    place: Mapped[int]
    conversation_id: Mapped[UUID | None]
    joined_seq: Mapped[int] = mapped_column(server_default=text("0"))
    seen_seq: Mapped[int] = mapped_column(server_default=text("0"))
    joined_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    left_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("visibility IN ('shared', 'addressed')", name="visibility"),)


class ContextMessageRow(Base):
    """One message; nothing changes it. `to_agents` null means all, `visible_to` null everybody.

    `governance` says under what it was said: for whom, by which run and version, with which tools, tokens and cost.
    """

    __tablename__ = "context_messages"

    context_id: Mapped[UUID] = mapped_column(
        ForeignKey("multi_agent_contexts.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    exchange_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    from_id: Mapped[str] = mapped_column(Text)
    from_name: Mapped[str] = mapped_column(Text)
    to_agents: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    visible_to: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    body: Mapped[str] = mapped_column(Text)
    run_id: Mapped[UUID | None]
    governance: Mapped[Any] = mapped_column(JSONB)
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (CheckConstraint("kind IN ('person', 'agent')", name="kind"),)


class ExchangeRow(Base):
    """One message of a person and the answers to it, under way under a lease until it is `ended`.

    A context has one under way: what is said after it waits for its end.
    """

    __tablename__ = "context_exchanges"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    context_id: Mapped[UUID] = mapped_column(ForeignKey("multi_agent_contexts.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    seq: Mapped[int]
    recipients: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    is_private: Mapped[bool]
    rounds: Mapped[int]
    collaboration_model: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    lease_expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("status IN ('running', 'ended')", name="status"),
        Index("uq_context_exchanges_running", "context_id", unique=True, postgresql_where=text("status = 'running'")),
        Index(
            "uq_context_exchanges_key",
            "context_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )


class QuoteRow(Base):
    """Somebody whose words a run was told that was done for another: with them the run's words are erased.

    `first_hand` is not set where what it was told is the answer of a run that had been told their words.
    """

    __tablename__ = "run_quotes"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    principal: Mapped[str] = mapped_column(Text, primary_key=True)
    first_hand: Mapped[bool]

    __table_args__ = (Index("ix_run_quotes_principal", "principal"),)


class TurnRow(Base):
    """One agent's answer, or what became of it; it is told the messages after `after_seq` up to `until_seq`.

    `waiting` is one whose run waits for an approval; `silent` one that had nothing new to see.
    """

    __tablename__ = "context_turns"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    exchange_id: Mapped[UUID] = mapped_column(ForeignKey("context_exchanges.id", ondelete="CASCADE"))
    context_id: Mapped[UUID]
    agent_id: Mapped[UUID]
    round: Mapped[int]
    after_seq: Mapped[int]
    until_seq: Mapped[int]
    status: Mapped[str] = mapped_column(Text)
    run_id: Mapped[UUID | None]
    error: Mapped[Any | None] = mapped_column(JSONB)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("status IN ('running', 'waiting', 'answered', 'failed', 'silent')", name="status"),
        Index("ix_context_turns_exchange_id", "exchange_id"),
        Index("ix_context_turns_context_id_agent_id", "context_id", "agent_id"),
        Index("ix_context_turns_waiting", "run_id", postgresql_where=text("status = 'waiting'")),
    )
