"""The table of revocations."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class RevocationRow(Base):
    """One revocation. Positions are in the order of the commits: writers take one lock."""

    __tablename__ = "revocations"
    __table_args__ = (CheckConstraint("kind IN ('subject', 'session', 'token')", name="kind"),)

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
