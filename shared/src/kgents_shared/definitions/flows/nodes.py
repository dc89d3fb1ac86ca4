"""What a flow is made of: its nodes, those inside of groups too, and the edges between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kgents_shared.contracts.refs import secrets_in
from kgents_shared.errors import FaultItem

Loc = tuple[str | int, ...]
_NOTES = ("note", "noteNode")
_MALFORMED = "flow_malformed"
_AGAIN = "export the flow from Langflow again"
_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Node:
    """A component of a flow. `loc` is where its `template` stands, `fields` what that holds.

    Its names are fit to be shown: cut where they are long, hidden where they look like a secret.
    """

    id: str
    kind: str
    title: str
    loc: Loc
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f'node "{self.title}" ({self.id})'

    def field(self, name: str) -> tuple[Loc, Mapping[str, Any]] | None:
        """A field of the template and where its value stands."""
        found = self.fields.get(name)
        return ((*self.loc, name, "value"), cast("dict[str, Any]", found)) if isinstance(found, dict) else None

    @property
    def code(self) -> str | None:
        """The component's Python; Langflow exports it as one text or as a list of lines."""
        found = self.field("code")
        value: object = None if found is None else found[1].get("value")
        if isinstance(value, list) and all(isinstance(line, str) for line in cast("list[object]", value)):
            return "\n".join(cast("list[str]", value))
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a flow without its notes, and what is wrong with its shape."""

    nodes: tuple[Node, ...]
    faults: tuple[FaultItem, ...]


def graph_of(flow: Mapping[str, Any]) -> Graph:
    """The nodes of a flow and of the groups in it."""
    nodes: list[Node] = []
    faults: list[FaultItem] = []
    waiting: list[tuple[Loc, Mapping[str, Any]]] = [(("data",), flow["data"])]
    while waiting:
        loc, data = waiting.pop()
        ids: set[str] = set()
        for place, entry in enumerate(_list_in(data, "nodes")):
            here = (*loc, "nodes", place)
            found = _node(here, entry)
            if isinstance(found, FaultItem):
                faults.append(found)
                continue
            node_id, node, group = found
            if node_id in ids:
                faults.append(
                    FaultItem((*here, "id"), f'"{_shown(node_id)}" is another node\'s id too', _MALFORMED, _AGAIN)
                )
            ids.add(node_id)
            if node is not None:
                nodes.append(node)
            if group is not None:
                waiting.append(((*here, "data", "node", "flow", "data"), group))
        faults += _loose_ends(loc, data, ids)
    return Graph(tuple(nodes), tuple(faults))


def _shown(name: str) -> str:
    return "(hidden)" if secrets_in(name) else name[:_SHOWN_CHARS]


def _list_in(data: Mapping[str, Any], name: str) -> list[Any]:
    found = data.get(name)
    return cast("list[Any]", found) if isinstance(found, list) else []


def _table(value: object, name: str) -> dict[str, Any] | None:
    found = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _node(loc: Loc, entry: object) -> tuple[str, Node | None, dict[str, Any] | None] | FaultItem:
    """A node's id, the node unless it is a note, and the flow inside of it if it is a group."""
    node_id = cast("dict[str, Any]", entry).get("id") if isinstance(entry, dict) else None
    data = _table(entry, "data")
    if not isinstance(node_id, str) or data is None:
        return FaultItem(loc, "is no node: it has no id or no data", _MALFORMED, _AGAIN)
    kind = data.get("type")
    if kind in _NOTES or cast("dict[str, Any]", entry).get("type") in _NOTES:
        return node_id, None, None
    component = _table(data, "node")
    template = _table(component, "template")
    if not isinstance(kind, str) or component is None or template is None:
        return FaultItem((*loc, "data"), f'node "{_shown(node_id)}" has no type or no template', _MALFORMED, _AGAIN)
    group = _table(_table(component, "flow"), "data")
    title = component.get("display_name")
    inside = (*loc, "data", "node", "template")
    title = _shown(title if isinstance(title, str) and title else kind)
    node = Node(_shown(node_id), _shown(kind), title, inside, template)
    return node_id, None if group is not None else node, group


def _loose_ends(loc: Loc, data: Mapping[str, Any], ids: set[str]) -> Iterator[FaultItem]:
    for place, edge in enumerate(_list_in(data, "edges")):
        for end in ("source", "target"):
            node_id = cast("dict[str, Any]", edge).get(end) if isinstance(edge, dict) else None
            if not isinstance(node_id, str) or node_id not in ids:
                msg = "leads to no node of the flow" if end == "target" else "comes from no node of the flow"
                yield FaultItem((*loc, "edges", place, end), msg, _MALFORMED, _AGAIN)
