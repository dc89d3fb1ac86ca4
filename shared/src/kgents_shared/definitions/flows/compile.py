"""A flow to an `AgentSpec` that names it: every fault at once, each with its place."""

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, cast

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.refs import HIDDEN_NAME
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document, parse_json
from kgents_shared.definitions.flows.checking import MOST_FAULTS, flow_faults, flow_warnings
from kgents_shared.definitions.flows.nodes import Graph, graph_of
from kgents_shared.definitions.flows.running import what_cannot_run
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.places import repeated_names, with_places
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.errors.refs_only import SECRET_IN_DOCUMENT

MAX_FLOW_BYTES = 1024 * 1024
MAX_FLOW_STRUCTURE_CHARS = 128 * 1024
_DESCRIPTION_CHARS = 2000
_NAME_CHARS = 63
_NO_LIMITS = SystemLimits()


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as Langflow exported it."""

    document: Document
    graph: Graph

    @property
    def value(self) -> dict[str, Any]:
        """The whole of it."""
        return cast("dict[str, Any]", self.document.value)

    @property
    def title(self) -> object:
        """What the agent's name is made of: the flow's endpoint name, or else its own."""
        return self.value.get("endpoint_name") or self.value.get("name")

    @property
    def hash(self) -> str:
        """`sha256:<hex>` over its JSON with sorted keys and no blanks: the order of fields means nothing."""
        canonical = json.dumps(self.value, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def flow_in(body: bytes) -> Flow | None:
    """The flow that a JSON text is, told by its shape: `{"data": {"nodes": […], "edges": […]}}`; None for any other.

    `InvalidInput` for what would be one and can't be read.
    """
    if b'"nodes"' not in body or b'"edges"' not in body:
        return None
    document = parse_json(body, MAX_FLOW_STRUCTURE_CHARS)
    fields = cast("dict[str, Any]", document.value) if isinstance(document.value, dict) else {}
    data = fields.get("data")
    if not isinstance(data, dict) or "system_prompt" in fields:
        return None
    lists = cast("dict[str, Any]", data)
    if not (isinstance(lists.get("nodes"), list) and isinstance(lists.get("edges"), list)):
        return None
    return Flow(document, graph_of(fields))


def compile_flow(flow: Flow, limits: SystemLimits = _NO_LIMITS) -> AgentSpec:
    """The agent that the flow is, under the flow's name; `InvalidInput` with all faults, at most 100 of them."""
    faults = [
        *repeated_names(flow.document),
        *flow_faults(flow.value, flow.graph, code_allowed=limits.flow_code),
    ]
    if any(HIDDEN_NAME in fault.loc for fault in faults):
        # What else is wrong would be told with that name.
        raise _refused(flow, [fault for fault in faults if fault.code == SECRET_IN_DOCUMENT])
    try:
        spec = compile_spec(Document(_definition(flow)), limits)
    except InvalidInput as error:
        faults += [fault for fault in error.errors if fault.code != SECRET_IN_DOCUMENT]
        raise _refused(flow, faults) from error
    if faults:
        raise _refused(flow, faults)
    return spec


def warnings_of_flow(flow: Flow, limits: SystemLimits = _NO_LIMITS) -> list[FaultItem]:
    """What is likely a mistake in a flow that can be taken, and what keeps it from being published."""
    found = [*what_cannot_run(flow.graph), *flow_warnings(flow.graph, code_allowed=limits.flow_code)]
    return with_places(flow.document, found)


def _definition(flow: Flow) -> dict[str, Any]:
    title, description = flow.title, flow.value.get("description")
    return {
        "name": name_of_flow(title) if isinstance(title, str) else title,
        "description": description[:_DESCRIPTION_CHARS] if isinstance(description, str) else "",
        "system_prompt": "A flow of Langflow: what its models are told stands in its nodes.",
        "runtime": {"shell": "Langflow", "flow": flow.hash},
    }


def name_of_flow(title: str) -> str:
    """A flow's title as an agent's name: `Basic Prompting` is `basic-prompting`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_NAME_CHARS].strip("-")


def _refused(flow: Flow, faults: list[FaultItem]) -> InvalidInput:
    shown = with_places(flow.document, faults[:MOST_FAULTS])
    sentence = "The flow has a fault." if len(shown) == 1 else f"The flow has {len(shown)} faults."
    secret = any(fault.code == SECRET_IN_DOCUMENT for fault in shown)
    code = SECRET_IN_DOCUMENT if secret else "invalid_input"
    return InvalidInput(f"{sentence} Each is listed in errors.", code=code, errors=shown)
