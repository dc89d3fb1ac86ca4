"""The one difference between two definitions: field by field, and within texts and lists line by line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from itertools import takewhile
from typing import Any, Literal, cast

from pydantic import BaseModel

ChangeKind = Literal["added", "removed", "changed"]
# What is compared line by line: a matcher's time grows with the square of it.
_MOST_COMPARED = 1000
_CONTEXT = 2


class Change(BaseModel):
    """One field that differs. `before` and `after` are null where the field isn't set.

    `lines` tell a text of several lines and a list apart as `diff -u` does; empty for what is short.
    """

    loc: list[str]
    kind: ChangeKind
    before: Any = None
    after: Any = None
    lines: list[str] = []


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What must be changed in `before` to have `after`, in the order of their fields; none where they mean the same."""
    return list(_changes((), before, after))


def _changes(loc: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        place = (*loc, key)
        if isinstance(old, dict | None) and isinstance(new, dict | None) and (old is not None or new is not None):
            yield from _changes(place, cast("dict[str, Any]", old or {}), cast("dict[str, Any]", new or {}))
        elif old != new or type(old) is not type(new):
            yield _change(place, old, new)


def _change(loc: tuple[str, ...], old: Any, new: Any) -> Change:
    kind: ChangeKind = "added" if old is None else "removed" if new is None else "changed"
    return Change(loc=list(loc), kind=kind, before=old, after=new, lines=_lines(old, new))


def _lines(old: Any, new: Any) -> list[str]:
    if isinstance(old, list | None) and isinstance(new, list | None):
        lines = _difference(_items(old), _items(new), context=0)
        return [line for line in lines if not line.startswith("@@")]
    if isinstance(old, str | None) and isinstance(new, str | None) and "\n" in f"{old}{new}":
        return _difference((old or "").split("\n"), (new or "").split("\n"), context=_CONTEXT)
    return []


def _items(value: list[Any] | None) -> list[str]:
    return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in value or ()]


def _difference(old: Sequence[str], new: Sequence[str], context: int) -> list[str]:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    if max(len(old), len(new)) - same <= _MOST_COMPARED:
        return list(unified_diff(old, new, n=context, lineterm=""))[2:]
    place = f"@@ -{same + 1},{len(old) - same} +{same + 1},{len(new) - same} @@"
    return [place, *(f"-{line}" for line in old[same:]), *(f"+{line}" for line in new[same:])]
