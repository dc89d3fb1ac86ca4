"""Foreign files to data: YAML (several documents in one file) and JSON, strictly and in bounded time."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kgents_cli.migration.codes import Code
from kgents_cli.migration.notes import Kind, Note
from kgents_shared.contracts.refs import secrets_in
from kgents_shared.yaml_documents import BadYaml, YamlTooDeep, read_yaml

MAX_FILE_BYTES = 4 * 1024 * 1024
SUFFIXES = frozenset({".yaml", ".yml", ".json"})


class Unreadable(Exception):
    """A file that can't be read as data: every fault, with its line and column where it has one."""

    def __init__(self, faults: list[Note]) -> None:
        super().__init__(faults[0].msg)
        self.faults = faults


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
    try:
        return read_yaml(_text(body))
    except BadYaml as fault:
        code: Code = "too_deep" if isinstance(fault, YamlTooDeep) else "yaml_syntax"
        raise Unreadable([_fault(code, _at(fault.line, fault.column, str(fault)), fault.hint)]) from fault


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
