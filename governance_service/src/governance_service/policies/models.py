"""The tables `policies` and `policy_versions`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, Index, Integer, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from governance_service.metadata import Base

# Instead of an owner: what holds for everybody. No owner has an empty id.
EVERYBODY = ""
_STANDING = text("deleted_at IS NULL")


class PolicyRow(Base):
    """A policy as it is now. `position` is the newest change's place in the feed.

    A deleted one stays, without text, so that who reads the feed hears of it.
    """

    __tablename__ = "policies"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    description: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_by: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("uq_policies_owner_id_name", "owner_id", "name", unique=True, postgresql_where=_STANDING),
        Index("uq_policies_position", "position", unique=True),
    )


class PolicyVersionRow(Base):
    """What a policy was, for good: each change makes one, and so does its end (`text` is null then)."""

    __tablename__ = "policy_versions"

    policy_id: Mapped[UUID] = mapped_column(
        ForeignKey(PolicyRow.id, name="fk_policy_versions_policy_id"), primary_key=True
    )
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean)
    changed_by: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
