"""The tables `runs` and `tool_calls`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class RunStatus(StrEnum):
    """queued → running → (waiting_approval ⇄ running) → completed | failed | cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_APPROVAL = "waiting_approval"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunRow(Base):
    """One run. `epoch` grows with every takeover; who holds the lease under the newest one may append, nobody else.

    `request_extras` is what was asked for beside a text: images, the form of the answer. `hops` are the agents whose
    questions led to it. `attempts` counts the workers and fronts that the run was given to since it last got further,
    behind the step at `attempted_at_seq`, or waited for an approval. `usage` and `error` are set at its end.
    `waiting_since` is when it began to wait; `waited_s`, how many seconds it has waited before, don't count against its
    time limit. `retry` says how often it may be tried (`execution.retries`), `failed_tries` what became of the tries
    before this one. While it waits for the next one, nobody holds its lease, which ends when that is due. `stopping`:
    it was cancelled, and what it had under way elsewhere is not known to have ended.
    """

    __tablename__ = "runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    owner_id: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    agent_name: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    status: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int]
    attempted_at_seq: Mapped[int | None]
    lease_holder: Mapped[UUID]
    lease_expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    request_text: Mapped[str] = mapped_column(Text)
    timeout_s: Mapped[int]
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    request_extras: Mapped[Any | None] = mapped_column(JSON)
    hops: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}")
    usage: Mapped[Any | None] = mapped_column(JSONB)
    error: Mapped[Any | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    waiting_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    waited_s: Mapped[float] = mapped_column(Float, server_default=text("0"))
    retry: Mapped[Any | None] = mapped_column(JSONB)
    failed_tries: Mapped[Any | None] = mapped_column(JSONB)
    stopping: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))

    __table_args__ = (
        CheckConstraint(
            "status IN ('queued', 'running', 'waiting_approval', 'completed', 'failed', 'cancelled')", name="status"
        ),
        Index(
            "uq_runs_active",
            "conversation_id",
            unique=True,
            postgresql_where=text("status IN ('running', 'waiting_approval')"),
        ),
        Index(
            "uq_runs_idempotency_key",
            "owner_id",
            "agent_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "ix_runs_open",
            "conversation_id",
            "id",
            postgresql_where=text("status IN ('queued', 'running', 'waiting_approval')"),
        ),
        Index("ix_runs_owner_id_id", "owner_id", "id"),
        Index("ix_runs_conversation_id", "conversation_id"),
        Index("ix_runs_stopping", "id", postgresql_where=text("stopping")),
    )


class ToolCallRow(Base):
    """One tool call, kept before it is dispatched.

    `waiting` is one that waits for its approval, or for the end of another agent's run that waits (`awaited_run_id`);
    `unknown` one whose answer never came; `cancelled` one that waited
    when its run ended.
    """

    __tablename__ = "tool_calls"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tool_call_id: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    arguments: Mapped[Any] = mapped_column(JSON)
    result: Mapped[Any | None] = mapped_column(JSON)
    dispatches: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    approval_id: Mapped[UUID | None]
    approval_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    awaited_run_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("state IN ('dispatched', 'waiting', 'completed', 'unknown', 'cancelled')", name="state"),
        Index(
            "ix_tool_calls_open_approvals",
            "approval_id",
            postgresql_where=text("approval_id IS NOT NULL AND state IN ('waiting', 'dispatched')"),
        ),
        Index(
            "ix_tool_calls_awaited_runs",
            "awaited_run_id",
            postgresql_where=text("awaited_run_id IS NOT NULL AND state IN ('waiting', 'dispatched')"),
        ),
    )
