"""Tables of credentials, of their uses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Integer, LargeBinary, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class Credential(Base):
    """A secret under envelope encryption. `wrapped_key` is its data key, wrapped by the master key `key_id`."""

    __tablename__ = "credentials"
    __table_args__ = (
        UniqueConstraint("owner_id", "name"),
        Index("ix_credentials_owner_id_id", "owner_id", "id"),
        Index("ix_credentials_key_id_id", "key_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    provider: Mapped[str | None] = mapped_column(Text)
    base_url: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    key_id: Mapped[str] = mapped_column(Text)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class CredentialUse(Base):
    """One resolve. It outlives its credential: there is no foreign key on purpose."""

    __tablename__ = "credential_uses"
    __table_args__ = (Index("ix_credential_uses_credential_id_id", "credential_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    credential_id: Mapped[UUID] = mapped_column()
    owner_id: Mapped[str] = mapped_column(Text)
    used_by: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
