"""The tables of uploaded modules, and of the servers that are made of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, DateTime, ForeignKey, Index, Integer, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base


class WasmModule(Base):
    """A module as it was uploaded; `source_hash` is its SHA-256."""

    __tablename__ = "wasm_modules"
    __table_args__ = (UniqueConstraint("owner_id", "source_hash"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    source_hash: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    source: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class WasmRow(Base):
    """What an MCP server of transport `wasm` runs, within what. Stopped since `stopped_at`, where that is set."""

    __tablename__ = "wasm_servers"
    __table_args__ = (Index("ix_wasm_servers_module_id", "module_id"),)

    server_id: Mapped[UUID] = mapped_column(ForeignKey("tools.mcp_servers.id", ondelete="CASCADE"), primary_key=True)
    module_id: Mapped[UUID] = mapped_column(ForeignKey("tools.wasm_modules.id"))
    limits: Mapped[dict[str, Any]] = mapped_column(JSON)
    grants: Mapped[dict[str, Any]] = mapped_column(JSON)
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
