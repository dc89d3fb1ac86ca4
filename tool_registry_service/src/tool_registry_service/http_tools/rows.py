"""Definitions as rows of tools, and how a document read again meets the pinned ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kgents_shared.contracts.tool_patterns import matching
from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import new_id
from tool_registry_service.http_tools.definition import HttpDefinition, StoredDefinition
from tool_registry_service.http_tools.models import HttpApi
from tool_registry_service.tools.models import Tool
from tool_registry_service.tools.pinning import Comparison, compare

_CAREFUL: Final[Sequence[SideEffect]] = ("external", "write", "read", "none")


def new_row(owner_id: str, definition: HttpDefinition, credential_ref: str | None, now: datetime) -> Tool:
    """A definition, pinned as it is."""
    return Tool(
        id=new_id(), kind="http", server_id=None, api_id=None, owner_id=owner_id, name=definition.name,
        remote_name=definition.name, description=definition.description, input_schema=definition.input_schema,
        output_schema=definition.output_schema, definition=_stored(definition, credential_ref),
        definition_hash=definition.definition_hash, side_effect="external", state="active", pending=None,
        created_at=now, updated_at=now,
    )  # fmt: skip


def row_of_api(api: HttpApi, definition: HttpDefinition, now: datetime) -> Tool:
    """A definition of an imported API, pinned as it is. What it may do outside is not believed: `external`."""
    row = new_row(api.owner_id, definition, api.credential_ref, now)
    row.api_id, row.name = api.id, f"{api.name}.{definition.name}"
    return row


def side_effect_of(name: str, said: Mapping[str, SideEffect]) -> SideEffect:
    """What a person said of an operation: by its own name, else the most careful of the patterns that match it."""
    if name in said:
        return said[name]
    found = {effect for pattern, effect in said.items() if matching(name, [pattern]) is not None}
    for effect in _CAREFUL:
        if effect in found:
            return effect
    return "external"


def compare_read(api: HttpApi, stored: Sequence[Tool], found: Sequence[HttpDefinition], now: datetime) -> Comparison:
    """Bring `stored` up to what the document has."""
    return compare(
        stored,
        found,
        pending_of=lambda definition: _pending(definition, api.credential_ref),
        new_row=lambda definition: row_of_api(api, definition, now),
        now=now,
    )


def with_credential(definition: dict[str, Any] | None, credential_ref: str | None) -> dict[str, Any]:
    """What a row holds of its request, with another credential."""
    stored = StoredDefinition.model_validate(definition or {})
    return stored.model_copy(update={"credential_ref": credential_ref}).model_dump(mode="json")


def _stored(definition: HttpDefinition, credential_ref: str | None) -> dict[str, Any]:
    return StoredDefinition(
        sending=definition.sending, placement=definition.placement, suggested=definition.suggested,
        credential_ref=credential_ref,
    ).model_dump(mode="json")  # fmt: skip


def _pending(definition: HttpDefinition, credential_ref: str | None) -> dict[str, Any]:
    return {
        "description": definition.description,
        "input_schema": definition.input_schema,
        "output_schema": definition.output_schema,
        "definition": _stored(definition, credential_ref),
        "definition_hash": definition.definition_hash,
    }
