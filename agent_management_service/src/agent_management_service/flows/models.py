"""The table `flows`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Text, func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from agent_management_service.metadata import METADATA, Base


class FlowRow(Base):
    """A flow that a draft or a version of its agent names by its hash; the fields stand as they were sent."""

    __tablename__ = "flows"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey(f"{METADATA.schema}.agents.id"), primary_key=True)
    hash: Mapped[str] = mapped_column(Text, primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
