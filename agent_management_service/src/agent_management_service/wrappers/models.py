"""The table `wrappers`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from agent_management_service.kinds.models import KindRow, TableArguments
from agent_management_service.metadata import SCHEMA


class WrapperRow(KindRow):
    """A wrapper over the agent `agent_id`, or with a prompt of its own; `deployed_…` tell what was made of it."""

    __tablename__ = "wrappers"

    description: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    supported_providers: Mapped[list[str]] = mapped_column(JSONB)
    agent_id: Mapped[UUID | None]
    configuration: Mapped[dict[str, Any]] = mapped_column(JSONB)
    deployed_agent_id: Mapped[UUID | None]
    deployed_version: Mapped[str | None] = mapped_column(Text)
    deployed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @classmethod
    def constraints(cls) -> TableArguments:
        """Both agents exist, or did: a deleted one leaves its row."""
        return tuple(
            ForeignKeyConstraint([column], [f"{SCHEMA}.agents.id"], name=f"fk_wrappers_{column}")
            for column in ("agent_id", "deployed_agent_id")
        )
