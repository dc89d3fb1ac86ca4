"""YAML of others to data, strictly and in bounded time.

It is read as most tools read it (YAML 1.1 by PyYAML), but for three things: keys are always text, dates stay text, and
a key that is given twice is a fault instead of a silent loss. `core_schema` reads plain values as YAML 1.2 does, where
`no`, `on` and `12:30` are texts. Tags that stand for code of a program are refused.
"""

import re
from typing import Any, cast

import yaml

MAX_DEPTH = 64
_MAX_NODES = 200_000
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
# The plain values of YAML 1.2's core schema; whatever else YAML 1.1 makes of a plain text is a text.
_CORE = {
    "tag:yaml.org,2002:bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
}


class BadYaml(Exception):
    """A text that is not read as YAML; line and column count from 1. `hint` says what to write instead."""

    def __init__(self, msg: str, *, line: int | None, column: int | None, hint: str | None = None) -> None:
        super().__init__(msg)
        self.line = line
        self.column = column
        self.hint = hint


class YamlTooDeep(BadYaml):
    """Collections within collections, beyond `MAX_DEPTH` levels."""


class _NotTaken(yaml.MarkedYAMLError):
    """YAML that other tools may read, of which nothing is made here; `hint` says what to write instead."""

    def __init__(self, problem: str, node: yaml.Node, hint: str) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark)
        self.hint = hint


def read_yaml(text: str, *, core_schema: bool = False) -> list[Any]:
    """The documents of a text, in their order, without empty ones. Raises `BadYaml`."""
    try:
        _refuse_depth(text)
        documents = [_Builder(core_schema).build(node, ()) for node in yaml.compose_all(text, Loader=_Loader)]
    except yaml.MarkedYAMLError as fault:
        line, column = _where(fault.problem_mark or fault.context_mark)
        said = " ".join(part for part in (fault.context, fault.problem) if part) or "not YAML"
        hint = fault.hint if isinstance(fault, _NotTaken) else "make it YAML that its own tool reads"
        raise BadYaml(said, line=line, column=column, hint=hint) from fault
    except yaml.YAMLError as fault:
        raise BadYaml(str(fault).partition("\n")[0], line=None, column=None) from fault
    return [document for document in documents if document is not None]


def _refuse_depth(text: str) -> None:
    """Before anything recursive reads it: composing is, and libyaml's is not even stopped by Python's limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line, column = _where(event.start_mark)
                raise YamlTooDeep(f"nested deeper than {MAX_DEPTH} levels", line=line, column=column)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _where(mark: Any) -> tuple[int | None, int | None]:
    """Line and column as people count them; a mark may be missing."""
    return (None, None) if mark is None else (mark.line + 1, mark.column + 1)


class _Builder:
    """Nodes to data. What an alias stands for is built each time, so the nodes are counted: aliases may multiply."""

    def __init__(self, core_schema: bool) -> None:
        self._scalars = yaml.SafeLoader("")
        self._core_schema = core_schema
        self._count = 0

    def build(self, node: yaml.Node, above: tuple[int, ...]) -> Any:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _NotTaken(
                "more values than a definition has", node, "make it smaller: an alias counts as all that it stands for"
            )
        if id(node) in above:
            raise _NotTaken("an anchor holds itself", node, "write out what its alias stands for")
        if len(above) > MAX_DEPTH:
            raise _NotTaken(f"anchors nest deeper than {MAX_DEPTH} levels", node, "write out what aliases stand for")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            raise _code_of_others(node)
        inside = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, inside)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(entry, inside) for entry in cast("list[yaml.Node]", node.value)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise _code_of_others(node)
        core = _CORE.get(node.tag) if self._core_schema else None
        if core is not None and core.fullmatch(node.value) is None:
            return node.value
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
