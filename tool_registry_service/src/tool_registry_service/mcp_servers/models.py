"""The table of MCP servers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, DateTime, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kgents_shared.http.vault import CredentialUse
from tool_registry_service.database import Base
from tool_registry_service.mcp_client.targets import ServerTarget, TransportName


class McpServer(Base):
    """One registered server. What it is reached by never changes; register another instead."""

    __tablename__ = "mcp_servers"
    __table_args__ = (
        UniqueConstraint("owner_id", "name"),
        CheckConstraint(
            "(transport = 'streamable_http' AND url IS NOT NULL AND command IS NULL)"
            " OR (transport = 'stdio' AND url IS NULL AND command IS NOT NULL)",
            name="reached_one_way",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    transport: Mapped[TransportName] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    command: Mapped[str | None] = mapped_column(Text)
    args: Mapped[list[str]] = mapped_column(JSON)
    credential_ref: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    refreshed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @property
    def target(self) -> ServerTarget:
        """What the MCP client needs to know of it."""
        used = None if self.credential_ref is None else CredentialUse(self.credential_ref, self.owner_id)
        return ServerTarget(self.id, self.name, self.transport, self.url, self.command, tuple(self.args), used)
