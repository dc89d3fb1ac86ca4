"""What differs between two definitions of an agent, as a person reads it."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kgents_cli.terminal import harmless, style

Change = Mapping[str, Any]
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def lines_of_changes(changes: Sequence[Change], indent: str = "  ") -> Iterator[str]:
    """A line for each field, `limits.max_steps: 3 → 4`; below it the lines of a text or list that differ."""
    for change in changes:
        place = harmless(".".join(change["loc"]))
        if not change["lines"]:
            yield f"{indent}{place}: {_value(change['before'])} → {_value(change['after'])}"
            continue
        yield f"{indent}{place}:"
        for line in change["lines"]:
            text = f"{indent}  {harmless(line)}".rstrip()
            yield style(text, _COLOURS[line[0]], sys.stdout) if line[:1] in _COLOURS else text


def names_of_changes(changes: Sequence[Change]) -> str:
    """The fields that differ, in one line."""
    return harmless(", ".join(".".join(change["loc"]) for change in changes))


def _value(value: Any) -> str:
    return "not set" if value is None else harmless(json.dumps(value, ensure_ascii=False))
