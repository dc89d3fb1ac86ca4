"""Bytes to data: JSON (RFC 8259) and TOML 1.0, strictly and in bounded time.

What the parsers of the standard library let pass and a definition may not hold is refused here: keys given twice,
NaN, nesting without end. A document is at most `MAX_DOCUMENT_BYTES` long; the app's body limit sees to it.
"""

import json
import re
import tomllib
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NoReturn

from kgents_shared.errors import FaultItem, InvalidInput

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_DEPTH = 32
_MAX_STRUCTURE_CHARS = 8192
_MAX_DOTS = 1000

Language = Literal["toml", "json"]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document. `text` is what was parsed, from which the places of faults are told, if there is one.

    `repeats`: an object in it gives a name twice, which `value` doesn't show.
    """

    value: object
    text: str | None = None
    language: Language = "json"
    repeats: bool = False


def parse_document(body: bytes, language: Language) -> Document:
    """The data of a text in either language; `InvalidInput` with its place where it can't be read."""
    return parse_toml(body) if language == "toml" else parse_json(body)


def parse_json(body: bytes, most_structure_chars: int = _MAX_STRUCTURE_CHARS) -> Document:
    """The data of a JSON text; `InvalidInput` with line and column where it isn't JSON.

    `most_structure_chars`: how much there may be of it beside texts and blanks.
    """
    text = _text(body, "JSON")
    _refuse_bombs(text, _JSON_STRING, "JSON", most_structure_chars)
    repeats = False

    def no_constant(name: str) -> NoReturn:
        at = _blanked(text, _JSON_STRING).find(name)
        raise _syntax_fault("JSON", f"{name} is not a JSON number", _place_of(text, at), "expected a finite number")

    def pairs(entries: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        found = dict(entries)
        repeats = repeats or len(found) != len(entries)
        return found

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        position = {"line": error.lineno, "column": error.colno}
        raise _syntax_fault("JSON", error.msg, position, _JSON_HINTS.get(error.msg)) from error
    except ValueError as error:
        raise _too_many_digits(text, _JSON_STRING, "JSON") from error
    return Document(value, text, "json", repeats)


def parse_toml(body: bytes, most_structure_chars: int = _MAX_STRUCTURE_CHARS, most_dots: int = _MAX_DOTS) -> Document:
    """The data of a TOML text; `InvalidInput` with line, column and what was expected where it isn't TOML."""
    text = _text(body, "TOML").replace("\r\n", "\n")
    _refuse_bombs(text, _TOML_QUIET, "TOML", most_structure_chars, most_dots)
    try:
        return Document(tomllib.loads(text), text, "toml")
    except tomllib.TOMLDecodeError as error:
        raise _toml_fault(str(error), text) from error
    except ValueError as error:
        raise _too_many_digits(text, _TOML_QUIET, "TOML") from error


def parse_scenarios(body: bytes) -> Document:
    """The data of a scenario file: many cases from somebody's own disk, so more of it than a definition may have."""
    return parse_toml(body, most_structure_chars=128 * 1024, most_dots=8000)


def _text(body: bytes, language: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode("utf-8-sig")
        raise _syntax_fault(
            language, "not UTF-8 text", _place_of(before, len(before)), "save the file as UTF-8", "not_utf8"
        ) from error


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


def _refuse_bombs(
    text: str,
    quiet: re.Pattern[str],
    language: str,
    most_structure_chars: int = _MAX_STRUCTURE_CHARS,
    most_dots: int = _MAX_DOTS,
) -> None:
    """Refuse what no definition has before a parser sees it: tomllib is recursive, slow by the character outside of
    strings, and quadratic in the parts of a dotted key.
    """
    skeleton = quiet.sub("" if language == "JSON" else '""', text)
    if len("".join(skeleton.split())) > most_structure_chars:
        place = _place_of(text, _where_over(most_structure_chars, r"\S", _blanked(text, quiet)))
        msg = f"more than {most_structure_chars} characters outside of text"
        raise _syntax_fault(language, msg, place, "put text in quotes")
    if _too_deep_at(skeleton) is not None:
        place = _place_of(text, _too_deep_at(_blanked(text, quiet)) or 0)
        msg = f"nested deeper than {MAX_DEPTH} levels"
        raise _syntax_fault(language, msg, place, "a definition has three levels")
    if language == "TOML" and skeleton.count(".") > most_dots:
        place = _place_of(text, _where_over(most_dots, r"\.", _blanked(text, quiet)))
        raise _syntax_fault(language, f"more than {most_dots} dotted keys and numbers", place, "write [tables] instead")


def _where_over(most: int, pattern: str, blanked: str) -> int:
    """Where the first match beyond `most` stands; the beginning where quotes that are gone had made the difference."""
    return next(islice((match.start() for match in re.finditer(pattern, blanked)), most, None), 0)


def _too_deep_at(skeleton: str) -> int | None:
    depth = 0
    for match in re.finditer(r"[\[{]|[\]}]", skeleton):
        depth += 1 if match[0] in "[{" else -1
        if depth > MAX_DEPTH:
            return match.start()
    return None


def _blanked(text: str, quiet: re.Pattern[str]) -> str:
    """`text` with what `quiet` matches replaced by spaces, so that what is left stands where it stood."""
    return quiet.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _place_of(text: str, offset: int) -> dict[str, int]:
    at = max(offset, 0)
    return {"line": text.count("\n", 0, at) + 1, "column": at - text.rfind("\n", 0, at)}


def _too_many_digits(text: str, quiet: re.Pattern[str], language: str) -> InvalidInput:
    found = re.search(r"[\d_]{1000,}", _blanked(text, quiet))
    place = _place_of(text, 0 if found is None else found.start())
    return _syntax_fault(language, "a number has more digits than can be read", place, "write a shorter number")


def _syntax_fault(
    language: str, msg: str, position: dict[str, int], hint: str | None, code: str | None = None
) -> InvalidInput:
    place = f" at line {position['line']}, column {position['column']}" if position else ""
    fault = FaultItem((), msg, code or f"{language.lower()}_syntax", hint, position)
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
        position = _place_of(text, len(text))
    hint = next((hint for start, hint in _TOML_HINTS if msg.startswith(start)), _STATEMENT_HINT)
    return _syntax_fault("TOML", msg, position, hint)
