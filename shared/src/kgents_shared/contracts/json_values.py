"""JSON that is taken as it is, and kept: only what everything behind can hold."""

import math
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import storable

MOST_DEPTH: Final = 64
_LEAST_NUMBER, _MOST_NUMBER = -(2**63), 2**64 - 1
_Value = TypeVar("_Value")


def keepable(value: _Value) -> _Value:
    """Refuse what PostgreSQL, UTF-8 or a JSON writer can't hold, at whatever depth it stands."""
    waiting: list[tuple[Any, int]] = [(value, MOST_DEPTH)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            storable(part)
        elif isinstance(part, int):
            if not _LEAST_NUMBER <= part <= _MOST_NUMBER:
                raise PydanticCustomError("finite_number", "must not have a whole number of more than 64 bits")
        elif isinstance(part, float):
            if not math.isfinite(part):
                raise PydanticCustomError("finite_number", "must have finite numbers only")
        elif isinstance(part, dict | list):
            if depth == 0:
                raise PydanticCustomError("nested_too_deep", "must not be nested deeper than 64")
            if isinstance(part, dict):
                waiting += [(key, 0) for key in cast("dict[str, Any]", part)]
            values = cast("dict[str, Any]", part).values() if isinstance(part, dict) else cast("list[Any]", part)
            waiting += [(item, depth - 1) for item in values]
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(keepable)]
