"""The tables `profiles` and `attestations`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKeyConstraint, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_management_service.kinds.models import KindRow, TableArguments
from agent_management_service.metadata import SCHEMA, Base


class ProfileRow(KindRow):
    """What an agent's owner says of it."""

    __tablename__ = "profiles"

    description: Mapped[str] = mapped_column(Text)
    capabilities: Mapped[list[str]] = mapped_column(JSONB)
    agent_id: Mapped[UUID]

    @classmethod
    def constraints(cls) -> TableArguments:
        """The agent exists, or did: a deleted one leaves its row."""
        agent = ForeignKeyConstraint(["agent_id"], [f"{SCHEMA}.agents.id"], name="fk_profiles_agent_id")
        return (agent, Index("ix_profiles_agent_id", "agent_id"))


class AttestationRow(Base):
    """A signed statement about a profile and its agent as it stood. It never changes but for being revoked, once."""

    __tablename__ = "attestations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    profile_id: Mapped[UUID]
    attester: Mapped[dict[str, Any]] = mapped_column(JSONB)
    agent: Mapped[dict[str, Any]] = mapped_column(JSONB)
    claims: Mapped[dict[str, Any]] = mapped_column(JSONB)
    issuer: Mapped[str] = mapped_column(Text)
    jws: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_by: Mapped[str | None] = mapped_column(Text)
    revocation_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        ForeignKeyConstraint(
            ["profile_id"], [f"{SCHEMA}.profiles.id"], name="fk_attestations_profile_id", ondelete="CASCADE"
        ),
        Index("ix_attestations_profile_id", "profile_id", "id"),
    )
