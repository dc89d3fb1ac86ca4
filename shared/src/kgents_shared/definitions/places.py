"""Where in a text of TOML or JSON a fault stands: line and column, both from 1, columns in characters.

Asked only where there is something to tell: the parsers that read definitions keep no places.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from kgents_shared.definitions.documents import Document, Language
from kgents_shared.errors import FaultItem

if TYPE_CHECKING:  # definitions without faults load no parser of places
    from tree_sitter import Node, Parser

Loc = tuple[str | int, ...]
_OF_NAMES = frozenset({"extra_forbidden", "duplicate_key"})
# Faults of a whole definition, and the field that a person will look at.
_OF_WHOLE = {"conflicting_provider": ("llm_provider",)}
_JSON_VALUES = frozenset({"object", "array", "string", "number", "true", "false", "null"})


def with_places(document: Document, faults: Iterable[FaultItem]) -> list[FaultItem]:
    """The faults with line and column of what each is about (a field, or the nearest table), in the text's order."""
    found = list(faults)
    if document.text is None or all(fault.position for fault in found):
        return found
    places = _read(document.text, document.language)
    placed = [fault if fault.position else replace(fault, position=places.of(fault)) for fault in found]
    return sorted(placed, key=lambda fault: (fault.position["line"], fault.position["column"]))


def repeated_names(document: Document) -> list[FaultItem]:
    """A fault for each name that a JSON object gives a second time."""
    text = document.text
    found = _read(text, document.language).repeated if document.repeats and text is not None else []
    return [FaultItem(loc, f'"{loc[-1]}" is given twice', "duplicate_key", "keep one of them") for loc in found]


@dataclass(slots=True)
class _Places:
    """Where names and values begin, in bytes of a line."""

    lines: list[bytes]
    names: dict[Loc, tuple[int, int]] = field(default_factory=dict[Loc, tuple[int, int]])
    values: dict[Loc, tuple[int, int]] = field(default_factory=dict[Loc, tuple[int, int]])
    repeated: list[Loc] = field(default_factory=list[Loc])

    def of(self, fault: FaultItem) -> dict[str, int]:
        loc = _OF_WHOLE.get(fault.code, fault.loc)
        if fault.code == "missing":
            loc = loc[:-1]
        elif fault.code in _OF_NAMES and loc in self.names:
            return self._shown(self.names[loc])
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self._shown(self.values.get(loc, (0, 0)))

    def _shown(self, point: tuple[int, int]) -> dict[str, int]:
        row, column = point
        before = self.lines[row][:column] if row < len(self.lines) else b""
        return {"line": row + 1, "column": len(before.decode("utf-8", "replace")) + 1}

    def add_name(self, loc: Loc, node: "Node") -> None:
        self.names[loc] = _point(node)

    def add_value(self, loc: Loc, node: "Node") -> None:
        self.values[loc] = _point(node)


def _read(text: str, language: Language) -> _Places:
    encoded = text.encode()
    places = _Places(encoded.split(b"\n"))
    root = _parser(language).parse(encoded).root_node
    if language == "toml":
        _read_toml(root, places)
    else:
        for node in root.named_children:
            if node.type in _JSON_VALUES:
                _read_json(node, (), places)
    return places


@cache
def _parser(language: Language) -> "Parser":
    import tree_sitter  # noqa: PLC0415 -- see above
    import tree_sitter_json  # noqa: PLC0415
    import tree_sitter_toml  # noqa: PLC0415

    grammar = tree_sitter_toml if language == "toml" else tree_sitter_json
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def _point(node: "Node") -> tuple[int, int]:
    return node.start_point[0], node.start_point[1]


def _read_json(node: "Node", loc: Loc, places: _Places) -> None:
    places.add_value(loc, node)
    if node.type == "array":
        elements = (child for child in node.named_children if child.type in _JSON_VALUES)
        for number, element in enumerate(elements):
            _read_json(element, (*loc, number), places)
    if node.type == "object":
        for pair in (child for child in node.named_children if child.type == "pair"):
            name, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if name is None or value is None or name.text is None:
                continue
            inner = (*loc, str(json.loads(name.text)))
            if inner in places.names and inner not in places.repeated:
                places.repeated.append(inner)
            places.add_name(inner, name)
            _read_json(value, inner, places)


def _read_toml(root: "Node", places: _Places) -> None:
    counts: dict[Loc, int] = {}
    for node in root.named_children:
        if node.type == "pair":
            _read_pair(node, (), places)
        elif node.type in {"table", "table_array_element"}:
            _read_table(node, places, counts)


def _read_table(node: "Node", places: _Places, counts: dict[Loc, int]) -> None:
    """`[a.b]` or `[[a.b]]` with its pairs. A name of an array of tables means the last of them."""
    if not node.named_children:
        return
    header, *pairs = node.named_children
    loc: Loc = ()
    for name in _names(header):
        loc = (*loc, _text(name))
        places.names.setdefault(loc, _point(name))
        places.values.setdefault(loc, _point(name))
        if name.end_byte != header.end_byte and loc in counts:
            loc = (*loc, counts[loc] - 1)
    if node.type == "table_array_element":
        counts[loc] = counts.get(loc, 0) + 1
        loc = (*loc, counts[loc] - 1)
        places.add_value(loc, header)
    for pair in pairs:
        if pair.type == "pair":
            _read_pair(pair, loc, places)


def _read_pair(pair: "Node", around: Loc, places: _Places) -> None:
    parts = [child for child in pair.named_children if child.type != "comment"]
    if len(parts) != 2:
        return
    loc = around
    for name in _names(parts[0]):
        loc = (*loc, _text(name))
        places.names.setdefault(loc, _point(name))
        places.values.setdefault(loc, _point(name))
    _read_value(parts[1], loc, places)


def _read_value(node: "Node", loc: Loc, places: _Places) -> None:
    places.add_value(loc, node)
    if node.type == "array":
        elements = (child for child in node.named_children if child.type != "comment")
        for number, element in enumerate(elements):
            _read_value(element, (*loc, number), places)
    elif node.type == "inline_table":
        for child in node.named_children:
            if child.type == "pair":
                _read_pair(child, loc, places)


def _names(key: "Node") -> Iterator["Node"]:
    """The parts of a key from left to right; the grammar nests those of a dotted one."""
    waiting = [key]
    while waiting:
        node = waiting.pop()
        if node.type == "dotted_key":
            waiting.extend(reversed(node.named_children))
        elif node.type in {"bare_key", "quoted_key"}:
            yield node


def _text(name: "Node") -> str:
    written = (name.text or b"").decode()
    return next(iter(tomllib.loads(f"{written} = 0"))) if name.type == "quoted_key" else written
