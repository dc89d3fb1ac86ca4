"""Foreign files to data: YAML (several documents in one file) and JSON, strictly and in bounded time.

YAML is read as the tools read it that these formats come from (YAML 1.1 by PyYAML), but for three things: keys are
always text, dates stay text, and a key that is given twice is a fault instead of a silent loss.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import yaml

from kgents_cli.migration.codes import Code
from kgents_cli.migration.notes import Kind, Note
from kgents_shared.contracts.refs import secrets_in

MAX_FILE_BYTES = 4 * 1024 * 1024
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_MAX_DEPTH = 64
_MAX_NODES = 200_000
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class Unreadable(Exception):
    """A file that can't be read as data: every fault, with its line and column where it has one."""

    def __init__(self, faults: list[Note]) -> None:
        super().__init__(faults[0].msg)
        self.faults = faults


class _NotTaken(yaml.MarkedYAMLError):
    """YAML that other tools may read, of which nothing is made here; `hint` says what to write instead."""

    def __init__(self, problem: str, node: yaml.Node, hint: str) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """What one file holds: its documents, in their order. JSON has one."""

    name: str
    stem: str
    documents: tuple[Any, ...]


def read_file(path: Path) -> ForeignFile:
    """The documents of a file; `Unreadable` where it holds no data of its kind, OSError where it can't be opened."""
    with path.open("rb") as opened:
        body = opened.read(MAX_FILE_BYTES + 1)
    if len(body) > MAX_FILE_BYTES:
        raise Unreadable([_fault("too_large", f"more than {MAX_FILE_BYTES // 1024 // 1024} MiB")])
    documents = _json(body) if path.suffix.lower() == ".json" else _yaml(body)
    return ForeignFile(str(path), path.stem, tuple(documents))


def _json(body: bytes) -> list[Any]:
    """Not by the reader of definitions: its bounds are for one agent, and an export holds a hundred."""
    try:
        return [json.loads(_text(body), object_pairs_hook=_once, parse_constant=_no_constant)]
    except json.JSONDecodeError as fault:
        raise Unreadable([_fault("json_syntax", _at(fault.lineno, fault.colno, fault.msg))]) from fault
    except RecursionError as fault:
        raise Unreadable([_fault("too_deep", "nested deeper than can be read")]) from fault
    except ValueError as fault:
        raise Unreadable([_fault("json_syntax", str(fault))]) from fault


def _once(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(entries)
    if len(found) != len(entries):
        names = [name for name, _ in entries]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"the name {short_json(twice)!r} stands twice in an object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise Unreadable([_fault("not_utf8", "not UTF-8 text", "save the file as UTF-8")]) from fault


def _yaml(body: bytes) -> list[Any]:
    text = _text(body)
    try:
        _refuse_depth(text)
        documents = [_value(node) for node in yaml.compose_all(text, Loader=_Loader)]
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        said = " ".join(part for part in (fault.context, fault.problem) if part) or "not YAML"
        hint = fault.hint if isinstance(fault, _NotTaken) else "make it YAML that its own tool reads"
        raise Unreadable([_fault("yaml_syntax", _at(*_where(mark), said), hint)]) from fault
    except yaml.YAMLError as fault:
        raise Unreadable([_fault("yaml_syntax", str(fault).partition("\n")[0])]) from fault
    return [document for document in documents if document is not None]


def _refuse_depth(text: str) -> None:
    """Before anything recursive reads it: composing is, and libyaml's is not even stopped by Python's limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise Unreadable(
                    [_fault("too_deep", _at(*_where(event.start_mark), f"nested deeper than {_MAX_DEPTH} levels"))]
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _where(mark: Any) -> tuple[int | None, int | None]:
    """Line and column as people count them; a mark may be missing."""
    return (None, None) if mark is None else (mark.line + 1, mark.column + 1)


def _value(root: yaml.Node) -> Any:
    return _Builder().build(root, ())


class _Builder:
    """Nodes to data. What an alias stands for is built each time, so the nodes are counted: aliases may multiply."""

    def __init__(self) -> None:
        self._scalars = yaml.SafeLoader("")
        self._count = 0

    def build(self, node: yaml.Node, above: tuple[int, ...]) -> Any:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _NotTaken(
                "more values than a definition has", node, "make it smaller: an alias counts as all that it stands for"
            )
        if id(node) in above:
            raise _NotTaken("an anchor holds itself", node, "write out what its alias stands for")
        if len(above) > _MAX_DEPTH:
            raise _NotTaken(f"anchors nest deeper than {_MAX_DEPTH} levels", node, "write out what aliases stand for")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            raise _code_of_others(node)
        inside = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, inside)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(entry, inside) for entry in cast("list[yaml.Node]", node.value)]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise _code_of_others(node)
        try:
            return self._scalars.construct_object(node)
        except yaml.constructor.ConstructorError as fault:
            raise _code_of_others(node) from fault
        except ValueError as fault:
            raise _NotTaken(f"not a value of its type ({fault})", node, "put text in quotes") from fault

    def _mapping(self, node: yaml.MappingNode, inside: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            if not isinstance(key, yaml.ScalarNode):
                raise _NotTaken("a key is not text", key, "write each key as one word, or as text in quotes")
            if key.tag == "tag:yaml.org,2002:merge":
                for entry in self._merged(value, inside):
                    merged = {**entry, **merged}
            elif key.value in found:
                raise _NotTaken(f'the key "{key.value}" stands twice', key, "keep one of them")
            else:
                found[key.value] = self.build(value, inside)
        return {**merged, **found}

    def _merged(self, node: yaml.Node, inside: tuple[int, ...]) -> list[dict[str, Any]]:
        built = self.build(node, inside)
        entries: list[Any] = cast("list[Any]", built) if isinstance(built, list) else [built]
        if not all(isinstance(entry, dict) for entry in entries):
            raise _NotTaken("<<: takes a mapping or a list of mappings", node, "let it stand for one")
        return cast("list[dict[str, Any]]", entries)


def _code_of_others(node: yaml.Node) -> _NotTaken:
    return _NotTaken(
        f"the tag {node.tag} stands for code of another program", node, "write the value that it makes, without a tag"
    )


def _fault(code: Code, msg: str, hint: str | None = None) -> Note:
    return Note(Kind.LOST, code, (), msg, hint)


def _at(line: int | None, column: int | None, msg: str) -> str:
    return msg if line is None else f"line {line}, column {column}: {msg}"


def short_json(value: object) -> str:
    """A value on one line, cut where it is long: for sentences. What looks like a secret is never quoted."""
    if secrets_in(value):
        return "(hidden)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
