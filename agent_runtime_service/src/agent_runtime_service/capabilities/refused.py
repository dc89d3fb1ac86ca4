"""Messages to capabilities that nobody took: counted on few rows, however many there are."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from agent_runtime_service.capabilities.deliveries import Delivery

MOST_OF_OWNER: Final = 50
OTHERS: Final = "*"
_Kind = tuple[str, str, UUID | None, str, str | None]


class RefusedDeliveries:
    """Counts alike ones of an hour on the first one's row.

    Of one owner's there are `MOST_OF_OWNER` rows an hour; what is none of these is counted under the capability `*`.
    """

    def __init__(self) -> None:
        self._hour: datetime | None = None
        self._counted: dict[_Kind, Delivery] = {}
        self._rows_of: Counter[str] = Counter()
        self._changed: dict[UUID, Delivery] = {}

    def add(self, refused: "Delivery") -> None:
        """Count one."""
        hour = refused.created_at.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour = hour
            self._counted.clear()
            self._rows_of.clear()
        kind = _kind(refused)
        if kind not in self._counted and self._rows_of[refused.owner_id] >= MOST_OF_OWNER:
            refused = replace(refused, from_agent_id=None, capability=OTHERS, known=0, healthy=0)
            kind = _kind(refused)
        first = self._counted.get(kind)
        if first is None:
            self._rows_of[refused.owner_id] += 1
            counted = refused
        else:
            counted = replace(first, times=first.times + 1)
        self._counted[kind] = self._changed[counted.id] = counted

    def take(self) -> list["Delivery"]:
        """The rows that are new, or count more than when they were last taken."""
        taken, self._changed = list(self._changed.values()), {}
        return taken

    def give_back(self, rows: Iterable["Delivery"]) -> None:
        """Rows that couldn't be written."""
        self._changed = {row.id: row for row in rows} | self._changed


def _kind(refused: "Delivery") -> _Kind:
    return (refused.owner_id, refused.principal, refused.from_agent_id, refused.capability, refused.refusal)
