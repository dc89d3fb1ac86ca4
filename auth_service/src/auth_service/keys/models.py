"""The tables of signing keys."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class SigningKeyRow(Base):
    """A key that signs from `signs_from` until the next one does, and is published before and after.

    `sealed` is its private half under the key file's key `sealed_by`; a key of the file itself has none here.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (CheckConstraint("(sealed IS NULL) = (sealed_by IS NULL)", name="sealed"),)

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    public_key: Mapped[dict[str, str]] = mapped_column(JSONB)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_by: Mapped[str | None] = mapped_column(Text)
    signs_from: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class AttestationKeyRow(Base):
    """The public half of a key that signed attestations: published until the last of them has ended.

    It is believed as long as the key file has `trusted_by`: the key itself, or the one that sealed it.
    """

    __tablename__ = "attestation_keys"

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    public_key: Mapped[dict[str, str]] = mapped_column(JSONB)
    trusted_by: Mapped[str] = mapped_column(Text)
    needed_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
