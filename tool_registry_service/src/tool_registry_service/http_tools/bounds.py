"""Values that strangers send, before anything recursive reads them and before they are stored."""

import math
from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic_core import PydanticCustomError

MAX_DEPTH: Final = 32


def is_within(value: Any, most_depth: int, most_values: int) -> bool:
    """Whether a value nests no deeper and has no more values, and every number in it is one that JSON has."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    seen = 0
    while waiting:
        current, depth = waiting.pop()
        seen += 1
        if depth > most_depth or seen > most_values or (isinstance(current, float) and not math.isfinite(current)):
            return False
        if isinstance(current, Mapping):
            waiting.extend((entry, depth + 1) for entry in cast("Mapping[str, Any]", current).values())
        elif isinstance(current, list):
            waiting.extend((entry, depth + 1) for entry in cast("list[Any]", current))
    return True


def bounded(value: Any) -> Any:
    """Refuse what nests too deep, or has a number that JSON doesn't have."""
    if not is_within(value, MAX_DEPTH, 100_000):
        raise PydanticCustomError(
            "not_storable", "nests deeper than {depth} levels, or has a number that is none", {"depth": MAX_DEPTH}
        )
    return value


def storable_text(text: str) -> str:
    """A text without what PostgreSQL and UTF-8 can't hold: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
