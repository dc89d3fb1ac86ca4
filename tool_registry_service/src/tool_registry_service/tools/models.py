"""The table of tools."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, DateTime, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base

SideEffect = Literal["none", "external"]
ToolState = Literal["active", "changed", "removed"]


class Tool(Base):
    """One tool with its pinned definition. `pending` is the changed definition that waits to be accepted.

    `name` is `<server>.<tool>`, `remote_name` what the server calls it. Only an `active` tool is offered and called.
    """

    __tablename__ = "tools"
    __table_args__ = (UniqueConstraint("owner_id", "name"), Index("ix_tools_server_id", "server_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    server_id: Mapped[UUID] = mapped_column(ForeignKey("tools.mcp_servers.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    remote_name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    input_schema: Mapped[dict[str, Any]] = mapped_column(JSON)
    definition_hash: Mapped[str] = mapped_column(Text)
    side_effect: Mapped[SideEffect] = mapped_column(Text)
    state: Mapped[ToolState] = mapped_column(Text)
    pending: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
