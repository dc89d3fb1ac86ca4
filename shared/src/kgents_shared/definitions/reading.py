"""What a person sends as an agent's definition, in whichever of its forms, to a spec."""

from dataclasses import dataclass

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import MAX_DOCUMENT_BYTES, Language, parse_document
from kgents_shared.definitions.flows.compile import Flow, compile_flow, flow_in
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.errors import PayloadTooLarge

_NO_LIMITS = SystemLimits()


@dataclass(frozen=True, slots=True)
class Definition:
    """An agent's spec, and the flow that it names where it was sent as one."""

    spec: AgentSpec
    flow: Flow | None = None


def read_definition(body: bytes, language: Language, limits: SystemLimits = _NO_LIMITS) -> Definition:
    """The agent that a text defines: a spec in TOML or JSON, or a flow as Langflow exports it.

    `InvalidInput` with all its faults; `PayloadTooLarge`.
    """
    flow = flow_in(body) if language == "json" else None
    if flow is not None:
        return Definition(compile_flow(flow, limits), flow)
    refuse_long(body)
    return Definition(compile_spec(parse_document(body, language), limits))


def refuse_long(body: bytes) -> None:
    """Raise `PayloadTooLarge` for more than any document but a flow may have."""
    if len(body) > MAX_DOCUMENT_BYTES:
        raise PayloadTooLarge(f"The body is over {MAX_DOCUMENT_BYTES} bytes, the most that is taken here.")
