"""The cursor of a list of versions."""

from kgents_shared.db import Cursor
from kgents_shared.errors import FaultItem, InvalidInput


def number_before(cursor: Cursor) -> int:
    """The number below which the next page begins; `InvalidInput` for a cursor of another list."""
    text = cursor[0] if len(cursor) == 1 else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        fault = FaultItem(("query", "cursor"), "is not a cursor of this list", "bad_cursor", "use next_cursor")
        raise InvalidInput("The cursor belongs to another list.", errors=[fault])
    return int(text)
