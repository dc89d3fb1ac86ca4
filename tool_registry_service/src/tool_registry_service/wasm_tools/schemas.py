"""What goes over the wire for WASM tools (docs/wasm-tools.md)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from kgents_shared.contracts.model import Contract
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmLimits

ModuleHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class WasmModuleView(Contract):
    """An uploaded module. `sha256` names it where a server is made of it."""

    sha256: str
    size: int
    created_at: datetime


class WasmSetup(Contract):
    """What a server of transport `wasm` runs: an uploaded module, what one call may use, and what it is granted."""

    module: ModuleHash
    limits: WasmLimits = Field(default_factory=WasmLimits)
    grants: WasmGrants = Field(default_factory=WasmGrants)


class WasmUsage(Contract):
    """What this server's calls used in the process that answers, since it started.

    `over_…` count the calls that a limit ended, `traps` those in which the module failed, `errors` all that gave an
    error or nothing. `most_memory_bytes` is null for components: there it isn't told.
    """

    calls: int
    errors: int
    traps: int
    over_fuel: int
    over_memory_mb: int
    over_timeout_ms: int
    running: int
    fuel: int
    most_fuel: int
    most_memory_bytes: int | None
    busy_ms: float
    last_used_at: datetime | None


class WasmServerView(Contract):
    """The WASM part of a server. `loaded`: whether its code is in the memory of the process that answers."""

    server_id: UUID
    module: WasmModuleView
    limits: WasmLimits
    grants: WasmGrants
    state: Literal["started", "stopped"]
    loaded: bool
    usage: WasmUsage


class WasmUpdate(Contract):
    """What `PUT /mcp-servers/{id}/wasm` changed, by the tools' full names. All of it is pinned as it is now."""

    server: WasmServerView
    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: list[str]
    warnings: list[str]
