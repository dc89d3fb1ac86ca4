"""Where arguments go in a request: `{name}` in texts; `{{` and `}}` are braces.

A text that is one placeholder and nothing else becomes the argument as it is, also where that is a list or an object.
An argument that isn't given takes the whole text with it, and with that the entry that the text stands in.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, cast

_EXACT = 2**53
_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class _Missing:
    """Stands for what isn't given."""


MISSING: Final = _Missing()


class BadTemplate(ValueError):
    """A text whose braces don't make placeholders."""


@lru_cache(maxsize=2048)
def parts_of(text: str) -> tuple[tuple[str, bool], ...]:
    """The pieces of a text, each with whether it is the name of an argument. Raises `BadTemplate`."""
    parts: list[tuple[str, bool]] = []
    literal, end = "", 0
    for match in _PARTS.finditer(text):
        literal, end = literal + text[end : match.start()], match.end()
        if match[0] in ("{{", "}}"):
            literal += match[0][0]
        elif match[1]:
            if literal:
                parts.append((literal, False))
            parts.append((match[1], True))
            literal = ""
        else:
            raise BadTemplate(f"{text[:80]!r} has a brace that is no placeholder; a brace is written twice")
    if literal + text[end:]:
        parts.append((literal + text[end:], False))
    return tuple(parts)


def escaped(text: str) -> str:
    """A text that has braces for braces, as a template."""
    return text.replace("{", "{{").replace("}", "}}")


def names_in(template: Any) -> set[str]:
    """Every argument that a template names. Raises `BadTemplate`."""
    return {name for text in _texts(template) for name, is_name in parts_of(text) if is_name}


def _texts(template: Any) -> Iterator[str]:
    waiting = [template]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, Mapping):
            waiting.extend(cast("Mapping[str, Any]", current).values())
        elif isinstance(current, list):
            waiting.extend(cast("list[Any]", current))


def filled(template: Any, arguments: Mapping[str, Any]) -> Any:
    """The template with its arguments, or `MISSING`."""
    if isinstance(template, str):
        return _filled_text(template, arguments)
    if isinstance(template, Mapping):
        entries = cast("Mapping[str, Any]", template)
        values = {name: filled(value, arguments) for name, value in entries.items()}
        return {name: value for name, value in values.items() if value is not MISSING}
    if isinstance(template, list):
        found = [filled(value, arguments) for value in cast("list[Any]", template)]
        return [value for value in found if value is not MISSING]
    return template


def _filled_text(text: str, arguments: Mapping[str, Any]) -> Any:
    parts = parts_of(text)
    if any(is_name and part not in arguments for part, is_name in parts):
        return MISSING
    if len(parts) == 1 and parts[0][1]:
        return arguments[parts[0][0]]
    return "".join(as_text(arguments[part]) if is_name else part for part, is_name in parts)


def as_text(value: Any) -> str:
    """A value as it stands in an address or a header."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))  # to JSON Schema 1.0 is an integer
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
