"""Which master key was in force since when."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class VaultKey(Base):
    """A master key's id, never the key. The highest position is the key for new writes."""

    __tablename__ = "vault_keys"

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key_id: Mapped[str] = mapped_column(Text)
    made_current_by: Mapped[str] = mapped_column(Text)
    current_since: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
