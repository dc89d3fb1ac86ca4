"""The table `instances`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class InstanceRow(Base):
    """One registered instance; the columns are those of the contract `InstanceRegistration`."""

    __tablename__ = "instances"

    instance_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]
    agent_name: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    generation: Mapped[int] = mapped_column(BigInteger)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    endpoint_url: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text, server_default="stable")
    share: Mapped[int] = mapped_column(server_default="0")
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class AgentActivityRow(Base):
    """When the newest run of an agent came in."""

    __tablename__ = "agent_activity"

    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_run_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
