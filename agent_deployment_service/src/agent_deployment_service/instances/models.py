"""The table `instances`: what was observed of each process or container that this service started."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_deployment_service.metadata import SCHEMA, Base


class InstanceRow(Base):
    """One instance; see `instances.states.Instance` for what the fields mean."""

    __tablename__ = "instances"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey(f"{SCHEMA}.deployments.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID]
    version: Mapped[int]
    lane: Mapped[str] = mapped_column(Text, server_default="stable")
    generation: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int] = mapped_column(BigInteger)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[str] = mapped_column(Text)
    restarts: Mapped[int] = mapped_column(server_default="0")
    recent_crashes: Mapped[int] = mapped_column(server_default="0")
    window_started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_start_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    endpoint_url: Mapped[str | None] = mapped_column(Text)
    health_check_url: Mapped[str | None] = mapped_column(Text)
    pid: Mapped[int | None]
    container_id: Mapped[str | None] = mapped_column(Text)
    last_error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        CheckConstraint("state IN ('starting', 'ready', 'draining', 'crashed', 'failed', 'stopped')", name="state"),
        Index("ix_instances_deployment_id", "deployment_id", "id"),
        Index("ix_instances_live", "agent_id", postgresql_where=text("state <> 'stopped'")),
    )
