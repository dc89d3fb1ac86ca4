"""Bytes to data: JSON (RFC 8259) and TOML 1.0, strictly and in bounded time.

What the parsers of the standard library let pass and a definition may not hold is refused here: keys given twice,
NaN, nesting without end. A document is at most `MAX_DOCUMENT_BYTES` long; the app's body limit sees to it.
"""

import json
import re
import tomllib
from dataclasses import dataclass
from typing import Any, NoReturn

from kgents_shared.errors import FaultItem, InvalidInput

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_DEPTH = 32
_MAX_STRUCTURE_CHARS = 8192
_MAX_DOTS = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document, and what is wrong with it although it could be parsed."""

    value: object
    faults: tuple[FaultItem, ...] = ()


def parse_json(body: bytes) -> Document:
    """The data of a JSON text; `InvalidInput` with line and column where it isn't JSON."""
    text = _text(body, "JSON")
    _refuse_bombs(_JSON_STRING.sub("", text), "JSON")
    repeated: list[FaultItem] = []

    def pairs(entries: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(entries)
        if len(found) != len(entries):
            seen = set[str]()
            twice = {key for key, _ in entries if key in seen or seen.add(key)}
            repeated.extend(_repeated_key(key) for key in sorted(twice))
        return found

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        position = {"line": error.lineno, "column": error.colno}
        raise _syntax_fault("JSON", error.msg, position, _JSON_HINTS.get(error.msg)) from error
    except ValueError as error:
        raise _too_many_digits("JSON") from error
    return Document(value, tuple(repeated))


def parse_toml(body: bytes) -> Document:
    """The data of a TOML text; `InvalidInput` with line, column and what was expected where it isn't TOML."""
    text = _text(body, "TOML").replace("\r\n", "\n")
    _refuse_bombs(_TOML_QUIET.sub('""', text), "TOML")
    try:
        return Document(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _toml_fault(str(error), text) from error
    except ValueError as error:
        raise _too_many_digits("TOML") from error


def _text(body: bytes, language: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start]
        position = {"line": before.count(b"\n") + 1, "column": error.start - before.rfind(b"\n")}
        raise _syntax_fault(language, "not UTF-8 text", position, "save the file as UTF-8") from error


# Strings and comments, so that only what nests is left. An unfinished string takes the rest: the parser tells of it.
# Each alternative ends in something optional, so none fails after a long match and nothing is scanned twice.
_JSON_STRING = re.compile(r'"(?:[^"\\]+|\\.?)*"?', re.DOTALL)
_TOML_QUIET = re.compile(
    r'"""(?:[^"\\]+|\\.?|"(?!""))*"{0,5}'
    r"|'''(?:[^']+|'(?!''))*'{0,5}"
    r'|"(?:[^"\\\n]+|\\.?)*"?'
    r"|'[^'\n]*'?"
    r"|\#[^\n]*",
    re.DOTALL,
)


def _refuse_bombs(skeleton: str, language: str) -> None:
    """Refuse what no definition has before a parser sees it: tomllib is recursive, slow by the character outside of
    strings, and quadratic in the parts of a dotted key.
    """
    if len("".join(skeleton.split())) > _MAX_STRUCTURE_CHARS:
        raise _syntax_fault(
            language, f"more than {_MAX_STRUCTURE_CHARS} characters outside of text", {}, "put text in quotes"
        )
    depth = deepest = 0
    for match in re.finditer(r"[\[{]|[\]}]", skeleton):
        depth += 1 if match[0] in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise _syntax_fault(language, f"nested deeper than {MAX_DEPTH} levels", {}, "a definition has three levels")
    if language == "TOML" and skeleton.count(".") > _MAX_DOTS:
        raise _syntax_fault(language, f"more than {_MAX_DOTS} dotted keys and numbers", {}, None)


def _no_constant(name: str) -> NoReturn:
    raise _syntax_fault("JSON", f"{name} is not a JSON number", {}, "expected a finite number")


def _too_many_digits(language: str) -> InvalidInput:
    return _syntax_fault(language, "a number has more digits than can be read", {}, None)


def _repeated_key(key: str) -> FaultItem:
    return FaultItem((key,), f'"{key}" is given twice', "duplicate_key", "keep one of them")


def _syntax_fault(language: str, msg: str, position: dict[str, int], hint: str | None) -> InvalidInput:
    place = f" at line {position['line']}, column {position['column']}" if position else ""
    fault = FaultItem((), msg, f"{language.lower()}_syntax", hint, position)
    return InvalidInput(f"The {language} can't be read{place}: {msg}", code="bad_syntax", errors=[fault])


_JSON_HINTS = {
    "Expecting value": 'expected a value: "text", a number, true, false, null, [list] or {object}',
    "Expecting property name enclosed in double quotes": 'expected a field\'s name in double quotes, or "}"',
    "Expecting ':' delimiter": 'expected ":" between a field\'s name and its value',
    "Expecting ',' delimiter": 'expected "," or the closing bracket',
    "Extra data": "expected the end of the document after the first value",
}
_VALUE_HINT = 'expected a value: "text", a number, true, false, [list] or {table}; text stands in quotes'
_ESCAPE_HINT = r"expected an escape such as \n, \" or \u00e9; a backslash itself is \\"
_STATEMENT_HINT = 'expected key = "value", a [table] or a # comment'
_TOML_HINTS = (
    ("Expected '=' after a key", 'expected "=" after the key: key = "value"'),
    ("Invalid value", _VALUE_HINT),
    ("Invalid initial character for a key part", 'expected a key of letters, digits, "_" and "-", or one in quotes'),
    ("Expected newline or end of document", "expected the line to end here"),
    ("Expected ']", 'expected "]" at the end of the table\'s name'),
    ("Unclosed array", 'expected "," or "]"'),
    ("Unclosed inline table", 'expected "," or "}"'),
    ("Unterminated string", "expected the closing quotes"),
    ("Expected \"'''\"", "expected the closing '''"),
    ('Expected "\'"', "expected the closing '"),
    ("Illegal character", 'expected text without control characters; text over several lines stands in """'),
    ("Found invalid character", 'expected text without line breaks; text over several lines stands in """'),
    ("Unescaped ", _ESCAPE_HINT),
    ("Invalid hex value", _ESCAPE_HINT),
    ("Escaped character", _ESCAPE_HINT),
    ("Cannot overwrite a value", "expected each key and table only once"),
    ("Cannot declare", "expected each table only once"),
    ("Cannot redefine", "expected each table only once"),
    ("Cannot mutate immutable namespace", "expected an inline table to be complete where it stands"),
    ("Duplicate inline table key", "expected each key only once"),
)
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|(end of document))\)$")


def _toml_fault(sentence: str, text: str) -> InvalidInput:
    place = _TOML_PLACE.search(sentence)
    msg = sentence if place is None else sentence[: place.start()]
    position: dict[str, int] = {}
    if place is not None and place[1] is not None:
        position = {"line": int(place[1]), "column": int(place[2])}
    elif place is not None:
        position = {"line": text.count("\n") + 1, "column": len(text) - text.rfind("\n")}
    hint = next((hint for start, hint in _TOML_HINTS if msg.startswith(start)), _STATEMENT_HINT)
    return _syntax_fault("TOML", msg, position, hint)
