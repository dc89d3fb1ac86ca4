"""The one validator: everything that is wrong with a definition, and everything that is likely a mistake."""

from dataclasses import dataclass
from typing import Any

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import MAX_DOCUMENT_BYTES, Document, Language, parse_document
from kgents_shared.definitions.flows.compile import Flow, compile_flow, flow_in, warnings_of_flow
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.places import with_places
from kgents_shared.definitions.rules import warnings_of
from kgents_shared.errors import FaultItem, InvalidInput

_NO_LIMITS = SystemLimits()


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. Without errors there is a `spec`; `document` is what could be parsed at all."""

    errors: tuple[FaultItem, ...] = ()
    warnings: tuple[FaultItem, ...] = ()
    spec: AgentSpec | None = None
    document: Document | None = None

    def as_json(self) -> dict[str, Any]:
        """`{"errors": […], "warnings": […]}`, as `kgents validate --json` and the API answer."""
        return {
            "errors": [fault.as_json() for fault in self.errors],
            "warnings": [fault.as_json() for fault in self.warnings],
        }


def examine(body: bytes, language: Language, limits: SystemLimits = _NO_LIMITS) -> Report:
    """Parse, compile and judge a definition, a flow included. It never raises for what is in it."""
    try:
        flow = flow_in(body) if language == "json" else None
    except InvalidInput as unreadable:
        return Report(errors=unreadable.errors)
    if flow is not None:
        return _examine_flow(flow, limits)
    if len(body) > MAX_DOCUMENT_BYTES:
        msg = f"has {len(body)} bytes; a definition has at most {MAX_DOCUMENT_BYTES}"
        return Report(errors=(FaultItem((), msg, "document_too_large", "shorten it", {"line": 1, "column": 1}),))
    try:
        document = parse_document(body, language)
    except InvalidInput as unreadable:
        return Report(errors=unreadable.errors)
    try:
        spec = compile_spec(document, limits)
    except InvalidInput as refused:
        return Report(errors=refused.errors, document=document)
    warnings = with_places(document, warnings_of(spec, document.value))
    return Report(warnings=tuple(warnings), spec=spec, document=document)


def _examine_flow(flow: Flow, limits: SystemLimits) -> Report:
    try:
        spec = compile_flow(flow, limits)
    except InvalidInput as refused:
        return Report(errors=refused.errors, document=flow.document)
    return Report(warnings=tuple(warnings_of_flow(flow, limits)), spec=spec, document=flow.document)
