"""What people read of a payload: all of it, but nothing that looks like a secret. Who asks masks; this makes sure."""

from collections.abc import Iterator
from typing import Any, cast

from kgents_shared.contracts.refs import MOST_FOUND, secrets_in

MASK = "***"
_PIECE = MOST_FOUND - 1


def shown(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as it is kept. Up to a second for a megabyte of secrets: not for an event loop."""
    return cast("dict[str, Any]", _stored(_masked("", payload) if secrets_in(payload) else payload))


def readable(text: str) -> str:
    """Text that PostgreSQL holds; what looks like a secret in it is masked as a whole."""
    return MASK if secrets_in(text) else cast("str", _stored(text))


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        return {MASK if secrets_in(key) else key: _masked(key, entry) for key, entry in entries}
    if isinstance(value, list):
        rows = cast("list[Any]", value)
        hidden = set(_hidden(name, rows))
        return [MASK if place in hidden else _masked(name, row) for place, row in enumerate(rows)]
    return MASK if secrets_in({name: value}) else value


def _hidden(name: str, rows: list[Any]) -> Iterator[int]:
    """Where in a list secrets are: what follows `--token` is one. In pieces, since only so many are told of at once."""
    leaves = [None if isinstance(row, dict | list) else row for row in rows]
    for start in range(0, len(leaves), _PIECE):
        piece = {name: leaves[max(start - 1, 0) : start + _PIECE]}
        for found in secrets_in(piece):
            if len(found.loc) > 1:
                yield max(start - 1, 0) + int(found.loc[1])


def _stored(value: Any) -> Any:
    """The same data; NUL and lone surrogates, which PostgreSQL can't hold, are replaced."""
    if isinstance(value, dict):
        return {_stored(key): _stored(entry) for key, entry in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_stored(entry) for entry in cast("list[Any]", value)]
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return value
