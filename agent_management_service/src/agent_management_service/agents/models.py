"""The table `agents`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_management_service.metadata import Base


class AgentStatus(StrEnum):
    """Where an agent stands: only a draft, published, or published and stopped again."""

    DRAFT = "draft"
    PUBLISHED = "published"
    STOPPED = "stopped"


class AgentRow(Base):
    """One agent. `version` is the one in force; `generation` grows with every change of the desired state.

    `stable_version` and `canary_version` are the versions that have those labels.

    A deleted agent stays as a tombstone, so that who missed the event still learns of it; its name is free again.
    """

    __tablename__ = "agents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    status: Mapped[str] = mapped_column(Text)
    draft: Mapped[dict[str, Any]] = mapped_column(JSONB)
    version: Mapped[int | None]
    stable_version: Mapped[int | None]
    canary_version: Mapped[int | None]
    canary_share: Mapped[int] = mapped_column(server_default="0")
    generation: Mapped[int] = mapped_column(BigInteger, server_default="0")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def answering(self) -> int | None:
        """The version that answers who asks for none: the one labelled `stable`, else the one in force."""
        return self.version if self.stable_version is None else self.stable_version

    __table_args__ = (
        CheckConstraint("status IN ('draft', 'published', 'stopped')", name="status"),
        CheckConstraint("(status = 'draft') = (version IS NULL)", name="version"),
        CheckConstraint("version IS NOT NULL OR coalesce(stable_version, canary_version) IS NULL", name="labels"),
        CheckConstraint("canary_share BETWEEN 0 AND 100", name="canary_share"),
        Index("uq_agents_owner_id_name", "owner_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_agents_owner_id_created_at", "owner_id", "created_at", "id"),
        Index("ix_agents_announced", "id", postgresql_where=text("generation > 0")),
    )
