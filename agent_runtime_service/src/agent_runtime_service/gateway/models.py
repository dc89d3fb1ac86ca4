"""The table `model_calls`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class ModelCallRow(Base):
    """One call of a model: whose, which, how many tokens (`estimated` where the provider didn't say), how long.

    It is a run's, or has a `purpose` of its own.
    """

    __tablename__ = "model_calls"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID | None]
    owner_id: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID | None]
    purpose: Mapped[str | None] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    estimated: Mapped[bool]
    tries: Mapped[int]
    duration_ms: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("ix_model_calls_run_id", "run_id"),)
