"""The table of tools."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, DateTime, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.calls import ToolKind
from tool_registry_service.database import Base

ToolState = Literal["active", "changed", "removed"]


class Tool(Base):
    """One tool with its pinned definition. `pending` is the changed definition that waits to be accepted.

    `name` is `<server>.<tool>`, `remote_name` what the far side calls it. Only an `active` tool is offered and called.
    One of kind `mcp` belongs to a server; `definition` is what one of kind `http` is sent as, and `api_id` the imported
    API that it is of, if any.
    """

    __tablename__ = "tools"
    __table_args__ = (
        UniqueConstraint("owner_id", "name"),
        Index("ix_tools_server_id", "server_id"),
        Index("ix_tools_api_id", "api_id"),
        CheckConstraint("(kind = 'mcp') = (server_id IS NOT NULL)", name="of_a_server"),
        CheckConstraint("(kind = 'http') = (definition IS NOT NULL)", name="sent_as"),
        CheckConstraint("side_effect IN ('none', 'read', 'write', 'external')", name="side_effect"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[ToolKind] = mapped_column(Text)
    server_id: Mapped[UUID | None] = mapped_column(ForeignKey("tools.mcp_servers.id", ondelete="CASCADE"))
    api_id: Mapped[UUID | None] = mapped_column(ForeignKey("tools.http_apis.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    remote_name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    input_schema: Mapped[dict[str, Any]] = mapped_column(JSON)
    output_schema: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    definition: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    definition_hash: Mapped[str] = mapped_column(Text)
    side_effect: Mapped[SideEffect] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)
    pinned_by: Mapped[str | None] = mapped_column(Text)
    state: Mapped[ToolState] = mapped_column(Text)
    pending: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ToolVersion(Base):
    """A definition that was pinned. Filled by triggers on the tools, see the migration 0007."""

    __tablename__ = "tool_versions"

    tool_id: Mapped[UUID] = mapped_column(ForeignKey("tools.tools.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    input_schema: Mapped[dict[str, Any]] = mapped_column(JSON)
    output_schema: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    definition: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    definition_hash: Mapped[str] = mapped_column(Text)
    pinned_by: Mapped[str | None] = mapped_column(Text)
    pinned_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
