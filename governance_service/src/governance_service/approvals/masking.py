"""What people read of a payload: all of it, but nothing that looks like a secret. Who asks masks; this makes sure.

Only the secret itself is hidden: a model that could hide more by what looks like one would have it approved unread.
"""

from collections.abc import Iterator
from typing import Any, cast

from kgents_shared.contracts.refs import MOST_FOUND, secrets_in, without_secrets

MASK = "***"
_PIECE = MOST_FOUND - 1


def shown(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as it is kept. Up to a second for a megabyte of secrets: not for an event loop."""
    return cast("dict[str, Any]", _stored(_masked("", payload) if secrets_in(payload) else payload))


def readable(text: str) -> str:
    """Text that PostgreSQL holds, without what looks like a secret in it."""
    return cast("str", _stored(without_secrets(text, MASK)))


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        seen: dict[str, Any] = {}
        alike: dict[str, int] = {}
        for key, entry in entries:
            name = hidden = without_secrets(key, MASK)
            while name in seen:  # two that look alike now are still two
                alike[hidden] = alike.get(hidden, 1) + 1
                name = f"{hidden} ({alike[hidden]})"
            seen[name] = _masked("" if hidden != key else key, entry)
        return seen
    if isinstance(value, list):
        rows = cast("list[Any]", value)
        hidden = set(_hidden(name, rows))
        return [_masked_row(row) if place in hidden else _masked(name, row) for place, row in enumerate(rows)]
    if not secrets_in({name: value}):
        return value
    # What is called a secret is one whatever it is; in all other texts a part is.
    return MASK if not isinstance(value, str) or secrets_in({name: "x"}) else without_secrets(value, MASK)


def _masked_row(row: Any) -> Any:
    """A row of a list that is a secret by itself, or by what stands before it."""
    return without_secrets(row, MASK) if isinstance(row, str) and secrets_in([row]) else MASK


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
