"""Tables of clients (RFC 6749 §2)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Integer, LargeBinary, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.roles.models import Role
from auth_service.schema import Base
from auth_service.users.models import User


class AppClient(Base):
    """A client that can show a secret: a service of this platform, or a person's application."""

    __tablename__ = "app_clients"
    __table_args__ = (
        CheckConstraint("kind IN ('service', 'app')", name="kind"),
        CheckConstraint("(kind = 'app') = (owner_id IS NOT NULL)", name="owner"),
    )

    client_id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    token_epoch: Mapped[int] = mapped_column(Integer, server_default="0")


class AppClientRole(Base):
    """A role that an application has."""

    __tablename__ = "app_client_roles"

    client_id: Mapped[str] = mapped_column(ForeignKey(AppClient.client_id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(ForeignKey(Role.name, ondelete="RESTRICT"), primary_key=True)
