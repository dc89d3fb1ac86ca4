"""The tables `ghosts`, `models`, `shells`, `bots` and `teams`."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, ForeignKeyConstraint, Index, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import SchemaItem

from agent_management_service.metadata import SCHEMA, Base

TableArguments: TypeAlias = tuple[SchemaItem, ...]


class KindRow(Base):
    """What every kind has. A name is unique among its owner's things of that kind."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @classmethod
    def constraints(cls) -> TableArguments:
        """What a kind's own table adds."""
        return ()

    @classmethod
    def has(cls, field: str, value: object) -> ColumnElement[bool]:
        """The condition that a field has a value."""
        return cls.__table__.c[field] == value

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> TableArguments:
        table = cls.__tablename__
        return (
            UniqueConstraint("owner_id", "name", name=f"uq_{table}_owner_id_name"),
            Index(f"ix_{table}_owner_id_created_at", "owner_id", "created_at", "id"),
            *cls.constraints(),
        )


class PartRow(KindRow):
    """What a bot refers to: by id and owner, so that the database itself knows that both have one owner."""

    __abstract__ = True

    @classmethod
    def constraints(cls) -> TableArguments:
        """The pair that bots refer to."""
        return (UniqueConstraint("id", "owner_id", name=f"uq_{cls.__tablename__}_id_owner_id"),)


class GhostRow(PartRow):
    """Who an agent is: its system prompt."""

    __tablename__ = "ghosts"

    description: Mapped[str] = mapped_column(Text)
    system_prompt: Mapped[str] = mapped_column(Text)


class ModelRow(PartRow):
    """Which language model answers, and whose key pays; null is the platform's default."""

    __tablename__ = "models"

    provider: Mapped[str | None] = mapped_column(Text)
    model_name: Mapped[str | None] = mapped_column(Text)
    temperature: Mapped[float | None]
    max_tokens: Mapped[int | None]
    api_key_ref: Mapped[str | None] = mapped_column(Text)


class ShellRow(PartRow):
    """What executes an agent, and what it may use."""

    __tablename__ = "shells"

    type: Mapped[str] = mapped_column(Text)
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)


class BotRow(KindRow):
    """A ghost, a model and a shell of one owner: what can be published as an agent."""

    __tablename__ = "bots"

    ghost_id: Mapped[UUID]
    model_id: Mapped[UUID]
    shell_id: Mapped[UUID]

    @classmethod
    def constraints(cls) -> TableArguments:
        """The parts exist and belong to the bot's owner."""
        references = [
            ForeignKeyConstraint(
                [f"{part}_id", "owner_id"],
                [f"{SCHEMA}.{part}s.id", f"{SCHEMA}.{part}s.owner_id"],
                name=f"fk_bots_{part}_id",
            )
            for part in ("ghost", "model", "shell")
        ]
        lookups = [Index(f"ix_bots_{part}_id", f"{part}_id") for part in ("ghost", "model", "shell")]
        return (*references, *lookups)


class TeamRow(KindRow):
    """Bots that work together; `members` are `{"bot_id": …, "role": …}` in their order."""

    __tablename__ = "teams"

    mode: Mapped[str] = mapped_column(Text)
    members: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)

    @classmethod
    def constraints(cls) -> TableArguments:
        """Finds the teams that a bot is in."""
        operators = {"members": "jsonb_path_ops"}
        return (Index("ix_teams_members", "members", postgresql_using="gin", postgresql_ops=operators),)

    @classmethod
    def has(cls, field: str, value: object) -> ColumnElement[bool]:
        """The condition that a field, or with `bot_id` one of the members, has a value."""
        if field == "bot_id":
            return cls.members.contains([{"bot_id": str(value)}])
        return super().has(field, value)
