"""What is wrong with a flow: unknown components, code of its author's, secrets; and what it can't do as an agent."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, cast

from kgents_shared.contracts.refs import FoundSecret, secrets_in
from kgents_shared.definitions.flows.catalogue import Catalogue, catalogue
from kgents_shared.definitions.flows.nodes import Graph, Loc, Node
from kgents_shared.definitions.suggestions import near
from kgents_shared.errors import FaultItem
from kgents_shared.errors.refs_only import SECRET_IN_DOCUMENT

_TAKES = frozenset({"ChatInput", "TextInput"})
_GIVES = frozenset({"ChatOutput", "TextOutput"})
_OPERATOR = "an operator lets flows bring code with MANAGEMENT_FLOW_CODE"
# Tables of Langflow's that say which setting is called what; keys themselves are found by their format there too.
_NAMES_OF_SETTINGS = "param_mapping"
MOST_FAULTS = 100
_NODE_DEPTH = 3
_SURROGATE = re.compile("[\ud800-\udfff]")
_READ_IT = "read it before you publish the flow"


def flow_faults(flow: Mapping[str, Any], graph: Graph, *, code_allowed: bool) -> list[FaultItem]:
    """Everything for which the flow isn't taken, without line and column; at most 100 faults are looked for."""
    return list(islice(_every_fault(flow, graph, code_allowed=code_allowed), MOST_FAULTS))


def _every_fault(flow: Mapping[str, Any], graph: Graph, *, code_allowed: bool) -> Iterator[FaultItem]:
    yield from graph.faults
    yield from _secrets(flow, graph)
    yield from _unstorable(flow)
    if not graph.nodes and not graph.faults:
        yield FaultItem(("data", "nodes"), "has no component: there is nothing to run", "flow_malformed")
    for node in graph.nodes:
        yield from _about_component(node, catalogue(), code_allowed=code_allowed)


def flow_warnings(graph: Graph, *, code_allowed: bool) -> list[FaultItem]:
    """What its author may not expect."""
    known = catalogue()
    kinds = {known.of_code(node.code or "") or known.named(node.kind) for node in graph.nodes}
    found: list[FaultItem] = []
    if not kinds & _TAKES:
        hint = "begin the flow with a Chat Input"
        found.append(FaultItem(("data",), "has no Chat Input: no message reaches it", "flow_takes_no_message", hint))
    if not kinds & _GIVES:
        hint = "end the flow with a Chat Output"
        found.append(FaultItem(("data",), "has no Chat Output: nobody sees its result", "flow_gives_no_answer", hint))
    if code_allowed:
        for node in graph.nodes:
            found += [replace(fault, code="flow_brings_code", hint=_READ_IT) for fault in _own_code(node, known)]
    return found


def _about_component(node: Node, known: Catalogue, *, code_allowed: bool) -> Iterator[FaultItem]:
    loc = (*node.loc[:-2], "type")
    code, version = node.code, f"lfx {known.version}"
    if not code:
        hint = near(node.kind, list(known.components)) or f"take a component of {version}"
        yield FaultItem(loc, f"{node} has no code: nothing says what it does", "flow_component_unknown", hint)
    elif known.of_code(code) is None and known.named(node.kind) is None and node.kind in known.elsewhere:
        msg = f"{node} is {node.kind}, which comes in a package of its own and not with {version}"
        yield FaultItem(loc, msg, "flow_component_unknown", f"take a component of {version} in its place")
    elif not code_allowed:
        yield from _own_code(node, known)


def _own_code(node: Node, known: Catalogue) -> Iterator[FaultItem]:
    """A fault where a node runs anything but the pinned version's own code."""
    code = node.code or ""
    name, loc = known.of_code(code), (*node.loc, "code", "value")
    if name is not None and name not in known.run_code:
        return
    if name is not None:
        msg, hint = f"{node} is {name}, which runs what is written in it as Python", f"leave it out; {_OPERATOR}"
    elif (same := known.named(node.kind)) is not None:
        msg = f"{node} has other code than {same} of lfx {known.version}"
        hint = f"update the component in Langflow {known.version} and export the flow again; {_OPERATOR}"
    else:
        msg = f"{node} is {node.kind}, no component of lfx {known.version}: its code is the author's own"
        hint = f"take a component of lfx {known.version}; {_OPERATOR}"
    yield FaultItem(loc, msg, "flow_custom_code", hint)


def _secrets(flow: Mapping[str, Any], graph: Graph) -> Iterator[FaultItem]:
    """Each secret once: by the field that holds it, by its format, or by its name anywhere in the flow."""
    seen: set[Loc] = set()
    for node in graph.nodes:
        for name in node.fields:
            found = _secret_in_field(node, name)
            if found is not None:
                seen.add(found.loc)
                yield found
    for found in secrets_in(flow):
        literal_name_of_setting = _NAMES_OF_SETTINGS in found.loc and found.literal
        if found.loc not in seen and not literal_name_of_setting:
            yield _secret(found, _whose(found.loc, graph.nodes))


def _secret_in_field(node: Node, name: str) -> FaultItem | None:
    at = node.field(name)
    if at is None or secrets_in({name: None}):  # a name that is a secret is told by what looks through the whole flow
        return None
    loc, field = at
    value = field.get("value")
    # From Langflow's variables: the value is the name of one.
    is_password = field.get("password") is True or field.get("_input_type") == "SecretStrInput"
    if is_password and isinstance(value, str) and value.strip() and field.get("load_from_db") is not True:
        inside = secrets_in({"password": value})
    elif isinstance(value, str) and field.get("load_from_db") is not True and name != "code":
        inside = secrets_in({name: value})
    else:
        return None
    return _secret(FoundSecret(loc, inside[0].what), f'{node}, field "{name}", ') if inside else None


def _whose(loc: Loc, nodes: Iterable[Node]) -> str:
    for node in nodes:
        whole = node.loc[:-_NODE_DEPTH]
        if loc[: len(whole)] == whole:
            below = loc[len(node.loc) : len(node.loc) + 1] if loc[: len(node.loc)] == node.loc else ()
            return f'{node}, field "{below[0]}", ' if below else f"{node} "
    return ""


def _secret(found: FoundSecret, whose: str) -> FaultItem:
    hint = (
        "keep it with POST /credentials, and let the field load a variable of that name; if it is real, replace it "
        "where it came from: others may have read it"
    )
    return FaultItem(found.loc, f"{whose}holds {found.what}", SECRET_IN_DOCUMENT, hint)


def _unstorable(flow: Mapping[str, Any]) -> Iterator[FaultItem]:
    """What JSON can write and neither PostgreSQL nor UTF-8 can hold."""
    waiting: list[tuple[Loc, object]] = [((), flow)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, dict):
            for key, entry in cast("dict[str, object]", value).items():
                waiting += [((*loc, key), key), ((*loc, key), entry)]
        elif isinstance(value, list):
            waiting += [((*loc, place), entry) for place, entry in enumerate(cast("list[object]", value))]
        elif isinstance(value, str):
            if "\x00" in value:
                yield FaultItem(loc, "must not contain a NUL character", "nul_character", "take it out")
            if _SURROGATE.search(value):
                yield FaultItem(loc, "must not contain a lone surrogate", "lone_surrogate", "take it out")
        elif isinstance(value, float) and not math.isfinite(value):
            yield FaultItem(loc, "is too large a number", "finite_number", "write a smaller one")
