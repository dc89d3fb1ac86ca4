"""The table of scratch files."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base


class ScratchFile(Base):
    """A text that an agent keeps for the rest of a conversation. `bytes` are those of its UTF-8."""

    __tablename__ = "scratch_files"
    __table_args__ = (Index("ix_scratch_files_updated_at", "updated_at"),)

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
