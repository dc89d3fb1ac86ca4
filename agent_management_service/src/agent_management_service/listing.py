"""How lists of things that have names are filtered, sorted and paged."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import Mapped

from kgents_shared.db import Cursor, foreign_cursor

Sort = Literal["created_at", "-created_at", "name", "-name"]
RowT = TypeVar("RowT")
_NAME = re.compile(r"[a-z0-9-]{1,63}")
_HINT = "use next_cursor with the same sort"


class Named(Protocol):
    """A row of such a list."""

    id: Mapped[UUID]
    name: Mapped[str]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Listing:
    """What was asked for; `name` is a prefix."""

    name: str | None
    sort: Sort

    @property
    def by_name(self) -> bool:
        """Whether the name is what sorts, rather than the time of creation."""
        return self.sort.endswith("name")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")

    def cursor_of(self, row: Named) -> Cursor:
        """The place of `row` in this order."""
        return (row.name if self.by_name else row.created_at.isoformat(), str(row.id))

    def page(self, statement: Select[RowT], table: type[Named], limit: int, after: Cursor | None) -> Select[RowT]:
        """Up to `limit + 1` of what the statement finds in the table after the cursor, in this order.

        Raises:
            InvalidInput: the cursor is another list's.
        """
        keys: tuple[ColumnElement[Any], ColumnElement[Any]] = (
            table.name.expression if self.by_name else table.created_at.expression,
            table.id.expression,
        )
        if self.name is not None:
            statement = statement.where(table.name.startswith(self.name, autoescape=True))
        if after is not None:
            place: tuple[Any, UUID] = _name_and_id(after) if self.by_name else _created_at_and_id(after)
            row = tuple_(*keys)
            statement = statement.where(row < place if self.descending else row > place)
        order = [key.desc() if self.descending else key.asc() for key in keys]
        return statement.order_by(*order).limit(limit + 1)


def _name_and_id(cursor: Cursor) -> tuple[str, UUID]:
    """The place of a list by name; `InvalidInput` for a cursor of another list."""
    name, row_id = _two(cursor)
    if _NAME.fullmatch(name) is None:
        raise foreign_cursor(_HINT)
    return name, row_id


def _created_at_and_id(cursor: Cursor) -> tuple[datetime, UUID]:
    """The place of a list by time; `InvalidInput` for a cursor of another list."""
    text, row_id = _two(cursor)
    try:
        created_at = datetime.fromisoformat(text)
    except ValueError as error:
        raise foreign_cursor(_HINT) from error
    if created_at.tzinfo is None or not 1970 < created_at.year < 9999:
        raise foreign_cursor(_HINT)
    return created_at, row_id


def _two(cursor: Cursor) -> tuple[str, UUID]:
    try:
        value, row_id = cursor
        return value, UUID(row_id)
    except ValueError as error:
        raise foreign_cursor(_HINT) from error
