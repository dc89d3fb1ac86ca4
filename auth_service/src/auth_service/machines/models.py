"""Tables of clients (RFC 6749 §2)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.roles.models import Role
from auth_service.schema import Base
from auth_service.users.models import User


class AppClient(Base):
    """A client that can show who it is: a service of this platform, or a person's application.

    A service's one secret comes out of the settings and stands here; an application's are in `app_client_secrets`.
    `jwks` are the public keys of an application that signs instead of showing a secret.
    """

    __tablename__ = "app_clients"
    __table_args__ = (
        CheckConstraint("kind IN ('service', 'app')", name="kind"),
        CheckConstraint("(kind = 'app') = (owner_id IS NOT NULL)", name="owner"),
    )

    client_id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    token_epoch: Mapped[int] = mapped_column(Integer, server_default="0")
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    may_exchange: Mapped[bool] = mapped_column(Boolean, server_default="false")
    jwks: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))


class AppClientSecret(Base):
    """One of an application's secrets, by its SHA-256. It works until `expires_at`, for ever where that is null."""

    __tablename__ = "app_client_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey(AppClient.client_id, ondelete="CASCADE"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ClientAssertion(Base):
    """An assertion that was shown (RFC 7523 §3, `jti`): none works twice. The row goes when the assertion has ended."""

    __tablename__ = "client_assertions"

    client_id: Mapped[str] = mapped_column(Text, primary_key=True)
    jti_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class AppClientRole(Base):
    """A role that an application has."""

    __tablename__ = "app_client_roles"

    client_id: Mapped[str] = mapped_column(ForeignKey(AppClient.client_id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(ForeignKey(Role.name, ondelete="RESTRICT"), primary_key=True)
