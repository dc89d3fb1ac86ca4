"""What people read of a payload: all of it, but nothing that looks like a secret. Who asks masks; this makes sure."""

from typing import Any, cast

from kgents_shared.contracts.refs import secrets_in

MASK = "***"


def shown(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as it is kept."""
    return cast("dict[str, Any]", _shown("", payload))


def readable(text: str) -> str:
    """Text that PostgreSQL holds; what looks like a secret in it is masked as a whole."""
    return cast("str", _shown("", text))


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        return {_shown("", key): _shown(key, entry) for key, entry in entries}
    if isinstance(value, list):
        rows = cast("list[Any]", value)
        # As a whole too: what follows `--token` is one.
        leaves = {name: [None if isinstance(row, dict | list) else row for row in rows]}
        hidden = {found.loc[1] for found in secrets_in(leaves) if len(found.loc) > 1}
        return [MASK if place in hidden else _shown(name, row) for place, row in enumerate(rows)]
    if secrets_in({name: value}):
        return MASK
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value
