"""The table `versions`. A trigger of the database keeps its rows as they were written."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_management_service.metadata import METADATA, Base


class VersionRow(Base):
    """One frozen definition; `number` counts from 1 within its agent."""

    __tablename__ = "versions"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey(f"{METADATA.schema}.agents.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    content_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
