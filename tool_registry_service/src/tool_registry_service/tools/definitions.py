"""Which definitions of a server can be taken, and how they meet the pinned ones."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import new_id
from tool_registry_service.mcp_client.targets import RemoteTool
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.tools.models import Tool
from tool_registry_service.tools.pinning import Comparison, compare

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MAX_NAME = 128
_MAX_DESCRIPTION = 8_192
_MAX_SCHEMA_BYTES = 65_536
_MAX_WARNINGS = 20
_STORABLE = TypeAdapter(Text)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers: what can be taken, and a sentence for each tool that can't."""

    tools: list[RemoteTool] = field(default_factory=list[RemoteTool])
    warnings: list[str] = field(default_factory=list[str])


def offer_of(found: Sequence[RemoteTool]) -> Offer:
    """Sort out what a server listed; nothing that it says is trusted."""
    offer = Offer()
    seen: set[str] = set()
    for tool in found:
        fault = _fault(tool) or ("is listed twice" if tool.name in seen else None)
        if fault is None:
            seen.add(tool.name)
            offer.tools.append(tool)
        elif len(offer.warnings) < _MAX_WARNINGS:
            offer.warnings.append(f"{ascii(tool.name)[:80]} is left out: it {fault}")
    return offer


def _fault(tool: RemoteTool) -> str | None:
    if len(tool.name) > _MAX_NAME or _NAME.fullmatch(tool.name) is None:
        return "has a name that is not letters, digits, _, - and single dots"
    if len(tool.description) > _MAX_DESCRIPTION:
        return f"has a description over {_MAX_DESCRIPTION} characters"
    schema = json.dumps(tool.input_schema, ensure_ascii=False)
    if len(schema) > _MAX_SCHEMA_BYTES:
        return f"has an input schema over {_MAX_SCHEMA_BYTES} bytes"
    output = json.dumps(tool.output_schema, ensure_ascii=False)
    if len(output) > _MAX_SCHEMA_BYTES:
        return f"has an output schema over {_MAX_SCHEMA_BYTES} bytes"
    from tool_registry_service.invocation.arguments import schema_fault  # noqa: PLC0415 -- loaded with the SDK

    try:
        for text in (tool.description, schema, output):
            _STORABLE.validate_python(text, strict=True)
    except ValidationError:
        return "has text that can't be stored"
    fault = schema_fault(tool.input_schema)
    if fault is None and tool.output_schema is not None:
        fault = schema_fault(tool.output_schema, "output")
    return fault


def new_tool(server: McpServer, remote: RemoteTool, now: datetime, side_effect: SideEffect = "external") -> Tool:
    """A first definition, pinned as it is. Hints of the server about effects are not believed: `external` unless a
    person who saw that it offers this tool said otherwise.
    """
    return Tool(
        id=new_id(), kind="mcp", server_id=server.id, owner_id=server.owner_id, name=f"{server.name}.{remote.name}",
        remote_name=remote.name, description=remote.description, input_schema=remote.input_schema,
        output_schema=remote.output_schema, definition_hash=remote.definition_hash, side_effect=side_effect,
        state="active", pending=None, created_at=now, updated_at=now,
    )  # fmt: skip


def compare_offered(
    server: McpServer, stored: Sequence[Tool], offered: Sequence[RemoteTool], now: datetime
) -> Comparison:
    """Bring `stored` up to what the server offers."""
    return compare(stored, offered, pending_of=_pending, new_row=lambda remote: new_tool(server, remote, now), now=now)


def _pending(remote: RemoteTool) -> dict[str, Any]:
    return {
        "description": remote.description,
        "input_schema": remote.input_schema,
        "output_schema": remote.output_schema,
        "definition_hash": remote.definition_hash,
    }
