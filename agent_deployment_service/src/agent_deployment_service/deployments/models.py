"""The tables of desired state.

`deployments`, `wanted_versions` that run because somebody asks for them by number, and `restart_requests` that make a
restart happen once per key.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_deployment_service.metadata import SCHEMA, Base


class DeploymentRow(Base):
    """What management last said of one agent. A deleted agent's row stays, so that late events find its generation.

    `epoch` grows with each restart that the owner asks for. `canary` is the JSON of a `CanaryVersion`.
    """

    __tablename__ = "deployments"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(unique=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int | None]
    generation: Mapped[int] = mapped_column(BigInteger)
    desired: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    canary: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    epoch: Mapped[int] = mapped_column(BigInteger, server_default="0")
    launcher: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        CheckConstraint("desired IN ('running', 'stopped', 'deleted')", name="desired"),
        CheckConstraint("desired <> 'running' OR (spec IS NOT NULL AND version IS NOT NULL)", name="runnable"),
        Index("ix_deployments_owner_id_name", "owner_id", "name"),
    )


class WantedVersionRow(Base):
    """A version beside the labelled ones that somebody talks to; it runs until `wanted_until`."""

    __tablename__ = "wanted_versions"

    deployment_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.deployments.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    wanted_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class RestartRequestRow(Base):
    """An Idempotency-Key under which a restart was asked for."""

    __tablename__ = "restart_requests"

    deployment_id: Mapped[UUID] = mapped_column(
        ForeignKey(f"{SCHEMA}.deployments.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
