"""Tables of people."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Integer, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.roles.models import Role
from auth_service.schema import Base


class User(Base):
    """A person. `provider_subject` is what the identity provider calls them; `email` is lower case."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("identity_provider", "provider_subject"),
        Index("ix_users_email", "email"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    identity_provider: Mapped[str] = mapped_column(Text)
    provider_subject: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    token_epoch: Mapped[int] = mapped_column(Integer, server_default="0")


class UserRole(Base):
    """A role that a person has."""

    __tablename__ = "user_roles"

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(ForeignKey(Role.name, ondelete="RESTRICT"), primary_key=True)
