"""Tables of roles and permissions. A permission is a scope."""

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from auth_service.schema import Base


class Role(Base):
    """A named set of permissions."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    description: Mapped[str] = mapped_column(Text, server_default="")


class Permission(Base):
    """A scope, `<resource>:<action>`."""

    __tablename__ = "permissions"

    scope: Mapped[str] = mapped_column(Text, primary_key=True)


class RolePermission(Base):
    """A scope that a role brings."""

    __tablename__ = "role_permissions"

    role: Mapped[str] = mapped_column(ForeignKey(Role.name, ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(ForeignKey(Permission.scope, ondelete="CASCADE"), primary_key=True)
