"""The table `passing_conversations`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, func
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class PassingConversationRow(Base):
    """A conversation, begun or about to begin, that is deleted once it is answered."""

    __tablename__ = "passing_conversations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
