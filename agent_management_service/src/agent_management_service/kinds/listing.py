"""How a list of a kind is filtered, sorted and paged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent_management_service.kinds.models import KindRow
from kgents_shared.db import Cursor

KindSort = Literal["created_at", "-created_at", "name", "-name"]


@dataclass(frozen=True, slots=True)
class KindFilter:
    """What was asked for; `name` is a prefix, `having` are a kind's own fields with the values that they must have."""

    name: str | None
    sort: KindSort
    having: Mapping[str, object]

    @property
    def by_name(self) -> bool:
        """Whether the name is what sorts, rather than the time of creation."""
        return self.sort.endswith("name")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")

    def cursor_of(self, row: KindRow) -> Cursor:
        """The place of `row` in this order."""
        return (row.name if self.by_name else row.created_at.isoformat(), str(row.id))
