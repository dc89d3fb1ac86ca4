"""The tables `deliveries` and `capability_keys`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class DeliveryRow(Base):
    """One message that was sent to a capability: from whom, whom it was given to and why.

    What became of it is its run's to tell. `refusal` is the code of what was given to nobody, so many `times` within an
    hour. `agent_owner_id` is whose the agent is that was asked; `routing_us`, how many microseconds choosing it took.
    """

    __tablename__ = "deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    from_agent_id: Mapped[UUID | None]
    capability: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID | None]
    agent_name: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[UUID | None]
    why: Mapped[str] = mapped_column(Text)
    known: Mapped[int]
    healthy: Mapped[int]
    refusal: Mapped[str | None] = mapped_column(Text)
    routing_us: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    times: Mapped[int] = mapped_column(server_default=text("1"))

    __table_args__ = (Index("ix_deliveries_owner_id_id", "owner_id", "id"),)


class CapabilityKeyRow(Base):
    """Which agent a message to a capability was given to under its Idempotency-Key: sent again, it goes there."""

    __tablename__ = "capability_keys"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    capability: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    agent_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
