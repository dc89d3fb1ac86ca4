"""The table `memories`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Computed, DateTime, Index, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class MemoryRow(Base):
    """One text that an agent of an owner keeps, and the conversation that it comes from."""

    __tablename__ = "memories"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    conversation_id: Mapped[UUID | None]
    key: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector('simple'::regconfig, text)", persisted=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        UniqueConstraint("owner_id", "agent_id", "key"),
        Index("ix_memories_owner_id_agent_id_id", "owner_id", "agent_id", "id"),
        Index("ix_memories_words", "words", postgresql_using="gin"),
    )
