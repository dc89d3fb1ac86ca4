"""The table of tool calls."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, DateTime, Float, Index, Integer, Numeric, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.database import Base


class Invocation(Base):
    """One call: who, for whom, what, and how it went. Written before the call goes out.

    `principal` asked for it, through an agent's run or by themselves (then there is no agent). `outcome` is `running`,
    `waiting_approval`, `completed`, `tool_error`, or the name of what kept it from a result; `denied_by` says which
    rule. `runner` is the process that makes the call; `latency_ms` and `result_bytes` (before cutting) are null until
    it ended. `stop_asked`: its run was cancelled, and whoever makes it ends it. `cost` is what the tool's owner says
    that a call costs, in `cost_currency`.
    """

    __tablename__ = "invocations"
    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key"),
        Index("ix_invocations_run_id", "run_id"),
        Index("ix_invocations_denied", "owner_id", "started_at", postgresql_where=text("outcome = 'denied'")),
        Index("ix_invocations_owner_id_id", "owner_id", "id"),
        Index("ix_invocations_started_at", "started_at"),
        Index(
            "ix_invocations_waiting",
            "owner_id",
            "principal",
            "fingerprint",
            postgresql_where=text("outcome = 'waiting_approval'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID | None]
    agent_name: Mapped[str | None] = mapped_column(Text)
    agent_version: Mapped[int | None]
    run_id: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    tool_call_id: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str] = mapped_column(Text)
    tool: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    fingerprint: Mapped[str] = mapped_column(Text)
    runner: Mapped[UUID]
    outcome: Mapped[str] = mapped_column(Text)
    side_effect: Mapped[SideEffect | None] = mapped_column(Text)
    approval_id: Mapped[UUID | None]
    denied_by: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    cost: Mapped[Decimal | None] = mapped_column(Numeric(18, 6))
    cost_currency: Mapped[str | None] = mapped_column(Text)
    stop_asked: Mapped[bool] = mapped_column(Boolean, server_default=false())
    is_error: Mapped[bool | None]
    result: Mapped[str | None] = mapped_column(Text)
    result_bytes: Mapped[int | None] = mapped_column(Integer)
    latency_ms: Mapped[float | None] = mapped_column(Float)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
