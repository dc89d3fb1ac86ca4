"""The table of imported APIs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, DateTime, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tool_registry_service.database import Base
from tool_registry_service.http_tools.definition import Placement


class HttpApi(Base):
    """An API whose OpenAPI document was imported: its operations are tools named `<name>.<operation>`.

    `base_url` is where its tools, and its credential, go; it stays what it was at the import, whatever a later
    document says. `source_url` is where the document came from, null for one that was sent. `operations` are the
    patterns of what is wanted of it. `auth` is how its owner says that a credential is shown, null where the document
    does. `check_results`: what the API answers must be as its document says.
    """

    __tablename__ = "http_apis"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    source_url: Mapped[str | None] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text)
    document_hash: Mapped[str] = mapped_column(Text)
    operations: Mapped[list[str]] = mapped_column(JSON)
    auth: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    credential_ref: Mapped[str | None] = mapped_column(Text)
    check_results: Mapped[bool]
    warnings: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    refreshed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @property
    def placement(self) -> Placement | None:
        """How its owner says that a credential is shown."""
        return None if self.auth is None else Placement.model_validate(self.auth)
