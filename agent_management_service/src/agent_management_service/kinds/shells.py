"""Bodies of shells: what a config may hold depends on its type, and a flow is looked through as flows are."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from fastapi import Request

from agent_management_service.dependencies import INLINE_BYTES, definition_language, json_document, system_limits
from agent_management_service.errors import UnsupportedMediaType
from agent_management_service.kinds.bodies import compiled, described
from agent_management_service.kinds.compiling import config_faults
from agent_management_service.kinds.repository import Columns
from agent_management_service.kinds.schemas import (
    ChatShellBody,
    LangflowShellBody,
    RemoteShellBody,
    ShellOfNoType,
)
from kgents_shared.contracts.model import Contract
from kgents_shared.definitions.documents import Document, parse_json
from kgents_shared.definitions.flows.checking import flow_faults
from kgents_shared.definitions.flows.compile import MAX_FLOW_STRUCTURE_CHARS, flow_in
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.places import with_places
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.errors.refs_only import SECRET_IN_DOCUMENT, refuse_secrets

_SHELLS: dict[str, type[Contract]] = {
    "Chat": ChatShellBody,
    "Langflow": LangflowShellBody,
    "Remote": RemoteShellBody,
}
_FLOW = ("config", "flow")
SHELL_SCHEMA = described(*_SHELLS.values())


async def shell_body(request: Request) -> Columns:
    """A shell's columns; `InvalidInput` with every fault of its config."""
    body, limits = await request.body(), system_limits(request)

    def read() -> Contract:
        return _read(_document(request, body), limits)

    # A long one takes up to a tenth of a second: others are served meanwhile.
    shell = read() if len(body) <= INLINE_BYTES else await asyncio.to_thread(read)
    return shell.model_dump(mode="json")


def _document(request: Request, body: bytes) -> Document:
    if b'"nodes"' not in body or b'"edges"' not in body:
        return json_document(request, body)
    language = definition_language(request)
    if language != "json":
        raise UnsupportedMediaType(f"application/{language}")
    # As long as a flow is where it is sent by itself.
    return parse_json(body, MAX_FLOW_STRUCTURE_CHARS)


def _read(document: Document, limits: SystemLimits) -> Contract:
    value = document.value
    refuse_secrets(_without_flow(value))
    shell = compiled(document, _type_of(value))
    faults: Sequence[FaultItem] = ()
    if isinstance(shell, ChatShellBody):
        faults = config_faults(shell.config)
    elif isinstance(shell, LangflowShellBody):
        faults = _about_flow(shell.config.flow, limits)
    if faults:
        secret = any(fault.code == SECRET_IN_DOCUMENT for fault in faults)
        code = SECRET_IN_DOCUMENT if secret else "invalid_input"
        detail = "No agent can have this config. Each fault is listed in errors."
        raise InvalidInput(detail, code=code, errors=with_places(document, list(faults)[:100]))
    return shell


def _type_of(value: object) -> type[Contract]:
    wanted = cast("dict[str, object]", value).get("type", "Chat") if isinstance(value, dict) else "Chat"
    return _SHELLS.get(wanted, ShellOfNoType) if isinstance(wanted, str) else ShellOfNoType


def _without_flow(value: object) -> object:
    """All but a flow, in which many a field is named like a secret and holds none: its fields are judged one by one."""
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    config = fields.get("config")
    if fields.get("type") != "Langflow" or not isinstance(config, dict):
        return value
    return {**fields, "config": {name: one for name, one in cast("dict[str, Any]", config).items() if name != "flow"}}


def _about_flow(flow: dict[str, Any], limits: SystemLimits) -> list[FaultItem]:
    found = flow_in(json.dumps(flow).encode())
    if found is None:
        return [FaultItem(_FLOW, "is no flow of Langflow's", "flow_malformed", "export it from Langflow again")]
    faults = flow_faults(found.value, found.graph, code_allowed=limits.flow_code)
    return [replace(fault, loc=(*_FLOW, *fault.loc)) for fault in faults]
