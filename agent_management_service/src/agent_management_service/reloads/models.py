"""The table `reloads`: the last reload of each agent."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_management_service.metadata import METADATA, Base


class ReloadState(StrEnum):
    """How a reload went."""

    RELOADED = "reloaded"
    """Its definition was published."""
    UNCHANGED = "unchanged"
    """What it says runs already."""
    REFUSED = "refused"
    """Its definition has faults; what ran goes on."""


class ReloadRow(Base):
    """`version_before` was in force before it, `version` after it."""

    __tablename__ = "reloads"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey(f"{METADATA.schema}.agents.id"), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    version_before: Mapped[int | None]
    version: Mapped[int | None]
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    errors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("state IN ('reloaded', 'unchanged', 'refused')", name="state"),)
