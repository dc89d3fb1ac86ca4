"""The table of MCP servers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, DateTime, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base
from tool_registry_service.mcp_client.targets import ServerRow, ServerTarget, TransportName


class McpServer(Base):
    """One registered server.

    `headers` go with each request; `${field}` in one stands for that field of the credential. `oauth` is how it is
    authorized, `oauth_ref` where the vault has what its owner authorized, at `authorized_at` for the last time.
    """

    __tablename__ = "mcp_servers"
    __table_args__ = (
        UniqueConstraint("owner_id", "name"),
        CheckConstraint(
            "(transport = 'streamable_http' AND url IS NOT NULL AND command IS NULL)"
            " OR (transport = 'stdio' AND url IS NULL AND command IS NOT NULL)"
            " OR (transport = 'wasm' AND url IS NULL AND command IS NULL)",
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
    headers: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    oauth: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    oauth_ref: Mapped[str | None] = mapped_column(Text)
    authorized_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    warnings: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    refreshed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @property
    def target(self) -> ServerTarget:
        """What the MCP client needs to know of it."""
        return ServerRow(
            self.id, self.name, self.transport, self.url, self.command, self.args, self.credential_ref, self.owner_id,
            self.headers, self.oauth, self.oauth_ref,
        ).target  # fmt: skip
