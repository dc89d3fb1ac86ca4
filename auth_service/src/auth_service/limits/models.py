"""The table of limits."""

from datetime import datetime

from sqlalchemy import DateTime, Text
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class LimitRow(Base):
    """One counted thing. `full_at` is the theoretical arrival time of GCRA: when all of its tries are back.

    The table is unlogged: after a crash of PostgreSQL everybody starts with all tries, and no login waits for a disk.
    """

    __tablename__ = "limits"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 -- SQLAlchemy's own shape

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    full_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
