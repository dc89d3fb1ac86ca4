"""The tables `public_cards` and `task_pushes`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class PublicCardRow(Base):
    """An agent whose card anybody may read."""

    __tablename__ = "public_cards"

    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class TaskPushRow(Base):
    """Who is called when a run ends or waits for a person; `told` is the state that they know of.

    The next call is due at `due_at`, after `tries` that failed; none is once the run's end was told (`done_at`).
    `set_at` changes with what the caller says anew.
    """

    __tablename__ = "task_pushes"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    token: Mapped[str | None] = mapped_column(Text)
    scheme: Mapped[str | None] = mapped_column(Text)
    credential_ref: Mapped[str | None] = mapped_column(Text)
    is_old: Mapped[bool] = mapped_column(Boolean)
    told: Mapped[str | None] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    set_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("ix_task_pushes_due_at", "due_at", postgresql_where=text("done_at IS NULL")),)
