"""What of a flow can't run as an agent here, node by node."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from kgents_shared.definitions.flows.catalogue import Catalogue, catalogue
from kgents_shared.definitions.flows.nodes import Graph, Node
from kgents_shared.errors import FaultItem

NOT_HERE = "flow_component_not_here"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a component can't work in an agent's sandbox, and what to do instead."""

    why: str
    hint: str


@cache
def components_not_here() -> Mapping[str, Reason]:
    """Component → why it can't run."""
    text = resources.files("kgents_shared.definitions.flows").joinpath("not_here.toml").read_text("utf-8")
    groups: Iterable[dict[str, Any]] = tomllib.loads(text).values()
    return {name: Reason(group["why"], group["hint"]) for group in groups for name in group["components"]}


def what_cannot_run(graph: Graph) -> list[FaultItem]:
    """A fault for each node that would fail, or do nothing, in an agent's sandbox."""
    known = catalogue()
    return [fault for node in graph.nodes for fault in _about(node, known)]


def _about(node: Node, known: Catalogue) -> Iterator[FaultItem]:
    name = known.of_code(node.code or "") or known.named(node.kind)
    reason = components_not_here().get(name or "")
    if reason is not None:
        yield FaultItem((*node.loc[:-2], "type"), f"{node} {reason.why}", NOT_HERE, reason.hint)
