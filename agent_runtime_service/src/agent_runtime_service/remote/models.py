"""The table `remote_contexts`."""

from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from agent_runtime_service.metadata import Base


class RemoteContextRow(Base):
    """The context that an agent elsewhere has for a conversation, and its task that waits for the user's word."""

    __tablename__ = "remote_contexts"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    context_id: Mapped[str] = mapped_column(Text)
    task_id: Mapped[str | None] = mapped_column(Text)
