"""The tables of permission. A change of rules or capabilities raises the mark of whom it is for: see the migration."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base
from tool_registry_service.permissions.decision import Effect

# Instead of an owner: what holds for everybody. No owner has an empty id.
EVERYBODY = ""


class PermissionRule(Base):
    """One rule. Without an owner it is the platform's; with an agent's name it is for that agent of the owner alone."""

    __tablename__ = "permission_rules"
    __table_args__ = (
        UniqueConstraint("owner_id", "agent", "effect", "pattern"),
        CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
        CheckConstraint("owner_id <> '' OR agent = ''", name="of_a_level"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    agent: Mapped[str] = mapped_column(Text)
    effect: Mapped[Effect] = mapped_column(Text)
    pattern: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ToolCapability(Base):
    """A name for a group of tools, of an owner or of everybody; the owner's own goes first."""

    __tablename__ = "capabilities"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    description: Mapped[str] = mapped_column(Text)
    patterns: Mapped[list[str]] = mapped_column(ARRAY(Text))
    updated_by: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PermissionMark(Base):
    """How often what is said of an owner's calls was changed: who has read it under this mark knows all of it."""

    __tablename__ = "permission_marks"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    mark: Mapped[int] = mapped_column(BigInteger)
