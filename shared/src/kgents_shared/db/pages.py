"""Keyset pages (DESIGN §12): `{"items": […], "next_cursor": …}` with `limit` and `cursor`."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from kgents_shared.errors import FaultItem, InvalidInput

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT")
Cursor = tuple[str, ...]


class Page(BaseModel, Generic[ItemT]):
    """One page; `next_cursor` is null on the last one."""

    items: list[ItemT]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What was asked for: at most `limit` rows after `after` (the last row's sort values as text)."""

    limit: int
    after: Cursor | None


def encode_cursor(values: Cursor) -> str:
    """A cursor for the wire; callers treat it as opaque."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """The sort values in a cursor; `InvalidInput` for one that we didn't make."""
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _bad_cursor() from error
    if not isinstance(values, list) or not all(isinstance(value, str) for value in cast("list[Any]", values)):
        raise _bad_cursor()
    return tuple(cast("list[str]", values))


def _bad_cursor() -> InvalidInput:
    return _refused("The cursor can't be read.", "use next_cursor from the page before")


def foreign_cursor(hint: str = "use next_cursor") -> InvalidInput:
    """The refusal of a cursor that another list gave."""
    return _refused("The cursor belongs to another list.", hint)


def _refused(detail: str, hint: str) -> InvalidInput:
    fault = FaultItem(("query", "cursor"), "is not a cursor of this list", "bad_cursor", hint)
    return InvalidInput(detail, errors=[fault])


def id_in(cursor: Cursor) -> UUID:
    """The place in a list by id; `InvalidInput` for a cursor of another list."""
    try:
        (text,) = cursor
        return UUID(text)
    except ValueError as error:
        raise foreign_cursor() from error


def _page_request(
    limit: Annotated[int, Query(ge=1, le=1000)] = 50, cursor: Annotated[str | None, Query(max_length=1000)] = None
) -> PageRequest:
    return PageRequest(limit, None if cursor is None else decode_cursor(cursor))


PageQuery = Annotated[PageRequest, Depends(_page_request)]


def make_page(
    rows: Sequence[RowT], request: PageRequest, *, item: Callable[[RowT], ItemT], key: Callable[[RowT], Cursor]
) -> Page[ItemT]:
    """A page of `rows`, of which the repository fetched `limit + 1` so that the end is known."""
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(items=[item(row) for row in shown], next_cursor=encode_cursor(key(shown[-1])) if more else None)
