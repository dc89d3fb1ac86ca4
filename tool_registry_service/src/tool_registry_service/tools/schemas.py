"""What goes over the wire for tools."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.calls import ToolKind
from tool_registry_service.http_tools.definition import Placement
from tool_registry_service.http_tools.sending import Sending
from tool_registry_service.tools.models import ToolState


class HttpRequestView(Contract):
    """How a tool of kind `http` is sent. `suggested_side_effect` is what its method lets one suppose."""

    request: Sending
    auth: Placement | None
    credential_ref: str | None
    suggested_side_effect: SideEffect


class PendingDefinition(Contract):
    """A definition that the server now has, and that nobody accepted yet. `diff` holds it against the pinned one."""

    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    http: HttpRequestView | None = None
    definition_hash: str
    diff: list[str]


class ToolVersionView(Contract):
    """A definition that was pinned, by whom and when; nobody is named who was not kept."""

    version: int
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    http: HttpRequestView | None
    definition_hash: str
    pinned_by: str | None
    pinned_at: datetime


class ToolView(Contract):
    """A tool. `definition_hash` is the SHA-256 of the definition that agents see, `version` counts what was pinned.

    A builtin one is everybody's: it has no owner and no times.
    """

    name: str
    kind: ToolKind
    owner_id: str | None
    server_id: UUID | None
    api_id: UUID | None
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    http: HttpRequestView | None
    definition_hash: str
    version: int
    side_effect: SideEffect
    state: ToolState
    pending: PendingDefinition | None
    created_at: datetime | None
    updated_at: datetime | None


class ToolChange(Contract):
    """Body of `PATCH /mcp-servers/{id}/tools/{tool}`: what does a call do outside?"""

    side_effect: SideEffect


class Acceptance(Contract):
    """Body of `POST …/accept`. `definition_hash` makes sure that what is accepted is what was read."""

    definition_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(default=None)
