"""The table of authorizations that wait for a person to come back."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base


class PendingAuthorization(Base):
    """Somebody was sent to an authorization server; whoever brings the `state` back ends it, once."""

    __tablename__ = "mcp_authorizations"
    __table_args__ = (Index("ix_mcp_authorizations_server_id", "server_id"),)

    state_hash: Mapped[str] = mapped_column(Text, primary_key=True)
    server_id: Mapped[UUID] = mapped_column(ForeignKey("tools.mcp_servers.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(Text)
    started_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
