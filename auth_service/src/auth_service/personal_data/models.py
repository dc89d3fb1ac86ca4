"""Tables of erasures: who asked for one, and what is done of it by each service."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Integer, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class Erasure(Base):
    """A person is being erased, or was. Who it was is not told once `done_at` stands: their id is nobody's then."""

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ErasurePart(Base):
    """One service's share, of the person or of an organisation that nobody else is in.

    It is done `rounds_left` times more: what was under way when it was done first may have left something behind.
    """

    __tablename__ = "erasure_parts"
    __table_args__ = (Index("ix_erasure_parts_due", "next_try_at", postgresql_where=text("rounds_left > 0")),)

    erasure_id: Mapped[UUID] = mapped_column(ForeignKey(Erasure.id, ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    service: Mapped[str] = mapped_column(Text, primary_key=True)
    rounds_left: Mapped[int] = mapped_column(Integer)
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    waits_for: Mapped[str | None] = mapped_column(Text)
    next_try_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
