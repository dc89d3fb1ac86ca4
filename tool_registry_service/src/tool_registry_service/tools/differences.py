"""What a changed definition changes, line by line, for the person who is to accept it."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

_MOST_LINES = 400
_MOST_CHARS = 2_000


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The lines of a unified diff of two definitions, at most 400; long ones are cut."""
    lines = [
        line[:_MOST_CHARS]
        for line in difflib.unified_diff(_lines(before), _lines(after), "pinned", "offered", lineterm="", n=2)
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more lines"]
    return lines


def _lines(definition: Mapping[str, Any]) -> list[str]:
    """A definition as lines; texts of several lines as they read."""
    found: list[str] = []
    for name, value in definition.items():
        if value is None:
            continue
        if isinstance(value, str):
            found += [f"{name}: {line}" for line in value.split("\n")]
        else:
            found += [f"{name}: {line}" for line in json.dumps(value, indent=1, sort_keys=True).splitlines()]
    return found
