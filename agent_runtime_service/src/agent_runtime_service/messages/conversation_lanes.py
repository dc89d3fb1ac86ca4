"""Which lane a conversation began in. It never changes, so that it is asked for once."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

from agent_runtime_service.execution.repository import RunJournal

_MOST_KEPT: Final = 10_000


class ConversationLanes:
    """Lanes by owner and conversation; those that were needed last are kept in memory."""

    def __init__(self, journal: RunJournal, most: int = _MOST_KEPT) -> None:
        self._journal = journal
        self._most = most
        self._kept: OrderedDict[tuple[str, UUID], str] = OrderedDict()

    async def of(self, owner_id: str, conversation_id: UUID) -> str | None:
        """The conversation's lane; None where the owner has no such conversation."""
        kept = self._kept.get((owner_id, conversation_id))
        if kept is None:
            kept = await self._journal.lane_of(owner_id, conversation_id)
        if kept is not None:
            self.note(owner_id, conversation_id, kept)
        return kept

    def note(self, owner_id: str, conversation_id: UUID, lane: str) -> None:
        """A conversation is known to have that lane."""
        self._kept[owner_id, conversation_id] = lane
        self._kept.move_to_end((owner_id, conversation_id))
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
