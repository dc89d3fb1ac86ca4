"""The table of exchange setups, and what belongs to platform credentials beside the secret."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Numeric, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base
from auth_service.vault.credentials.models import Credential


class PlatformConnection(Base):
    """A platform that an owner connected; it goes with its credential."""

    __tablename__ = "platform_connections"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    platform: Mapped[str] = mapped_column(Text, primary_key=True)
    credential_id: Mapped[UUID] = mapped_column(ForeignKey(Credential.id, ondelete="CASCADE"), unique=True)
    posting_identity: Mapped[str | None] = mapped_column(Text)


class ExchangeSetup(Base):
    """An owner's account at an exchange and its limits. Without a credential it is not connected."""

    __tablename__ = "exchange_setups"
    __table_args__ = (UniqueConstraint("owner_id", "exchange_provider"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    exchange_provider: Mapped[str] = mapped_column(Text)
    credential_id: Mapped[UUID | None] = mapped_column(ForeignKey(Credential.id, ondelete="SET NULL"), unique=True)
    default_coin: Mapped[str] = mapped_column(Text)
    allowed_coins: Mapped[list[str]] = mapped_column(ARRAY(Text))
    max_units_per_order: Mapped[Decimal] = mapped_column(Numeric(38, 18))
    max_notional_inr: Mapped[Decimal | None] = mapped_column(Numeric(38, 2))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
