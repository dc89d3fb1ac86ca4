"""The cursor of a list of versions."""

from kgents_shared.db import Cursor, foreign_cursor


def number_before(cursor: Cursor) -> int:
    """The number below which the next page begins; `InvalidInput` for a cursor of another list."""
    text = cursor[0] if len(cursor) == 1 else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise foreign_cursor()
    return int(text)
