"""The table of tool calls."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, DateTime, Float, Index, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base


class Invocation(Base):
    """One call: who, what, and how it went. Written before the call goes out.

    `outcome` is `running`, `completed`, `tool_error`, or the name of what kept it from a result. `runner` is the
    process that makes the call; `latency_ms` and `result_bytes` (before cutting) are null until it ended.
    """

    __tablename__ = "invocations"
    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key"),
        Index("ix_invocations_owner_id_run_id", "owner_id", "run_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    run_id: Mapped[UUID]
    tool_call_id: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str] = mapped_column(Text)
    tool: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    fingerprint: Mapped[str] = mapped_column(Text)
    runner: Mapped[UUID]
    outcome: Mapped[str] = mapped_column(Text)
    is_error: Mapped[bool | None]
    result: Mapped[str | None] = mapped_column(Text)
    result_bytes: Mapped[int | None] = mapped_column(Integer)
    latency_ms: Mapped[float | None] = mapped_column(Float)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
