"""What a model says, as PostgreSQL's JSON can hold it."""

from typing import Any, cast


def storable(value: Any) -> Any:
    """The same data; NUL and lone surrogates in its texts are replaced."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [storable(entry) for entry in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {storable(name): storable(entry) for name, entry in cast("dict[str, Any]", value).items()}
    return value
