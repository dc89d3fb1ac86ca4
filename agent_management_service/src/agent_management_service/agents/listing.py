"""How a list of agents is filtered, sorted and paged."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from agent_management_service.agents.models import AgentRow, AgentStatus
from kgents_shared.db import Cursor
from kgents_shared.errors import FaultItem, InvalidInput

AgentSort = Literal["created_at", "-created_at", "name", "-name"]
_NAME = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class AgentFilter:
    """What was asked for; `name` is a prefix."""

    name: str | None
    status: AgentStatus | None
    sort: AgentSort

    @property
    def by_name(self) -> bool:
        """Whether the name is what sorts, rather than the time of creation."""
        return self.sort.endswith("name")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")

    def cursor_of(self, row: AgentRow) -> Cursor:
        """The place of `row` in this order."""
        return (row.name if self.by_name else row.created_at.isoformat(), str(row.id))


def name_and_id(cursor: Cursor) -> tuple[str, UUID]:
    """The place of a list by name; `InvalidInput` for a cursor of another list."""
    name, agent_id = _two(cursor)
    if _NAME.fullmatch(name) is None:
        raise _foreign_cursor()
    return name, agent_id


def created_at_and_id(cursor: Cursor) -> tuple[datetime, UUID]:
    """The place of a list by time; `InvalidInput` for a cursor of another list."""
    text, agent_id = _two(cursor)
    try:
        created_at = datetime.fromisoformat(text)
    except ValueError as error:
        raise _foreign_cursor() from error
    if created_at.tzinfo is None or not 1970 < created_at.year < 9999:
        raise _foreign_cursor()
    return created_at, agent_id


def _two(cursor: Cursor) -> tuple[str, UUID]:
    try:
        value, agent_id = cursor
        return value, UUID(agent_id)
    except ValueError as error:
        raise _foreign_cursor() from error


def _foreign_cursor() -> InvalidInput:
    fault = FaultItem(
        ("query", "cursor"), "is not a cursor of this list", "bad_cursor", "use next_cursor with the same sort"
    )
    return InvalidInput("The cursor belongs to another list.", errors=[fault])
