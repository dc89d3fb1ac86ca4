"""The tables of what agents remember. Vectors have tables of their own, by dimensions: `backends.postgres`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base

_NOW = func.now()


class MemorySpaceRow(Base):
    """Memories that are found together: of an agent, a user, a conversation or an organisation, within an owner.

    `subject` is the agent's or conversation's id, the user's subject, or empty. Whoever changes what is in a space
    holds its row, so that `items` is exact.
    """

    __tablename__ = "memory_spaces"
    __table_args__ = (UniqueConstraint("owner_id", "scope", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    items: Mapped[int] = mapped_column(BigInteger, server_default="0")


class MemoryRow(Base):
    """What a key has now. `principal` is for whom it was kept last; `value` is absent where it is the text itself.

    `indexed_as` names the backend and the model in which its text stands by its meaning, as of `version`.
    """

    __tablename__ = "memories"
    __table_args__ = (
        UniqueConstraint("space_id", "key"),
        Index("ix_memories_owner_id_agent_id_id", "owner_id", "agent_id", "id"),
        Index("ix_memories_space_id_updated_at", "space_id", "updated_at"),
        Index("ix_memories_principal", "principal"),
        Index("ix_memories_words", "words", postgresql_using="gin"),
        Index("ix_memories_indexed_as", "indexed_as", "id", postgresql_where="semantic"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    space_id: Mapped[UUID] = mapped_column(ForeignKey("runtime.memory_spaces.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    conversation_id: Mapped[UUID | None]
    principal: Mapped[str] = mapped_column(Text, server_default="")
    key: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    value: Mapped[Any | None] = mapped_column(JSONB)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    semantic: Mapped[bool] = mapped_column(Boolean, server_default="true")
    indexed_as: Mapped[str | None] = mapped_column(Text)
    # With its space among them, in capitals, which no word of a text has: one index finds the words of a space.
    words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed(
            "to_tsvector('simple'::regconfig, text) || array_to_tsvector(ARRAY['S' || upper(space_id::text)])",
            persisted=True,
        ),
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)


class MemoryVersionRow(Base):
    """What a key had, from `updated_at` until `ended_at`. It outlives the key, unless the memory is forgotten."""

    __tablename__ = "memory_versions"
    __table_args__ = (
        Index("ix_memory_versions_space_id_key_updated_at", "space_id", "key", "updated_at"),
        Index("ix_memory_versions_principal", "principal"),
    )

    memory_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    space_id: Mapped[UUID] = mapped_column(ForeignKey("runtime.memory_spaces.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID]
    conversation_id: Mapped[UUID | None]
    principal: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    value: Mapped[Any | None] = mapped_column(JSONB)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class MemoryRemovalRow(Base):
    """A memory that is gone, and must go from the backend that has its meaning beside the database."""

    __tablename__ = "memory_removals"

    memory_id: Mapped[UUID] = mapped_column(primary_key=True)
    removed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)


class EmbeddingRow(Base):
    """A text's vector by its content: an owner's same text is embedded once a model. `vector` is float32."""

    __tablename__ = "embeddings"
    __table_args__ = (Index("ix_embeddings_used_at", "used_at"),)

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text, primary_key=True)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)


class MemoryCopyingRow(Base):
    """Vectors on their way from one backend to another: up to which memory, and what came of it."""

    __tablename__ = "memory_copyings"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="running")
    after_id: Mapped[UUID | None]
    copied: Mapped[int] = mapped_column(BigInteger, server_default="0")
    missing: Mapped[int] = mapped_column(BigInteger, server_default="0")
    held: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
