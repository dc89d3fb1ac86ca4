"""Which context an agent elsewhere has for a conversation of ours, so that it goes on there."""

from dataclasses import dataclass
from uuid import UUID

from agent_runtime_service.remote.repository import RemoteContextRepository


@dataclass(frozen=True, slots=True)
class FarContext:
    """Its context, and the task of it that waits for the user's word, if one does."""

    context_id: str
    task_id: str | None = None


class ConversationContext:
    """The context of one conversation."""

    def __init__(self, rows: RemoteContextRepository, conversation_id: UUID) -> None:
        self._rows = rows
        self._conversation_id = conversation_id

    async def known(self) -> FarContext | None:
        """What was kept; None before the first answer."""
        row = await self._rows.find(self._conversation_id)
        return None if row is None else FarContext(*row)

    async def keep(self, context: FarContext) -> None:
        """Keep it for the next message."""
        await self._rows.keep(self._conversation_id, context.context_id, context.task_id)


class RemoteContexts:
    """Contexts by conversation."""

    def __init__(self, rows: RemoteContextRepository) -> None:
        self._rows = rows

    def of(self, conversation_id: UUID) -> ConversationContext:
        """That of one conversation."""
        return ConversationContext(self._rows, conversation_id)
