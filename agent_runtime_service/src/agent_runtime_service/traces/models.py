"""The tables `run_origins` and `run_incidents`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class RunOriginRow(Base):
    """What led to a run, where it wasn't somebody's message alone.

    Another run (`asked_by_run`), or the call of a tool in one (`asked_by_key` is that call's key); a trace that began
    elsewhere (`traceparent`, of W3C Trace Context); or a run that it repeats (`replay_of`), with another `provider`
    and `model` where they are named.
    """

    __tablename__ = "run_origins"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_by_run: Mapped[UUID | None]
    asked_by_key: Mapped[str | None] = mapped_column(Text)
    traceparent: Mapped[str | None] = mapped_column(Text)
    replay_of: Mapped[UUID | None]
    provider: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index("ix_run_origins_asked_by_run", "asked_by_run", postgresql_where=text("asked_by_run IS NOT NULL")),
        Index("ix_run_origins_asked_by_key", "asked_by_key", postgresql_where=text("asked_by_key IS NOT NULL")),
        Index("ix_run_origins_replay_of", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
    )


class RunIncidentRow(Base):
    """Something that went wrong in a run and didn't end it: a worker was lost, another front took over."""

    __tablename__ = "run_incidents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("ix_run_incidents_run_id", "run_id"),)
