"""The rules about WASM modules and the servers that are made of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import PageRequest, new_id
from tool_registry_service.mcp_client.targets import RemoteTool, ServerTarget
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.mcp_servers.service import McpServerService
from tool_registry_service.tools.definitions import Offer, offer_of
from tool_registry_service.tools.pinning import Comparison
from tool_registry_service.tools.service import ToolService
from tool_registry_service.wasm_tools.faults import ModuleInUse, NotAWasmServer, WasmModuleNotFound, WasmRefused
from tool_registry_service.wasm_tools.models import WasmModule, WasmRow
from tool_registry_service.wasm_tools.pool import WasmServer
from tool_registry_service.wasm_tools.program import Offered
from tool_registry_service.wasm_tools.repository import WasmRepository
from tool_registry_service.wasm_tools.schemas import WasmSetup

_UNUSED_KEPT = timedelta(days=1)


class WasmService:
    """What may be done with the modules and WASM servers of some owners, within one transaction."""

    def __init__(self, rows: WasmRepository, servers: McpServerService, tools: ToolService) -> None:
        self._rows = rows
        self._servers = servers
        self._tools = tools

    async def keep(self, owner_id: str, source: bytes, *, most_together: int) -> WasmModule:
        """Store an uploaded module, once; what was uploaded a day ago and never used goes. Raises `WasmRefused`."""
        now = datetime.now(UTC)
        await self._rows.remove_unused(now - _UNUSED_KEPT)
        source_hash = sha256(source).hexdigest()
        found = await self._rows.module(source_hash)
        if found is not None:
            return found
        together = await self._rows.bytes_of_all() + len(source)
        if together > most_together:
            raise WasmRefused(
                f"All your modules together would have {together} bytes, over {most_together}: delete one "
                "that you no longer use (DELETE /api/v1/mcp-servers/modules/{sha256})."
            )
        module = WasmModule(
            id=new_id(), owner_id=owner_id, source_hash=source_hash, size=len(source), source=source, created_at=now
        )
        await self._rows.add(module)
        return module

    async def modules(self, request: PageRequest) -> Sequence[WasmModule]:
        """`limit + 1` of the owners' modules."""
        return await self._rows.page(request)

    async def module(self, source_hash: str) -> WasmModule:
        """One module; raises `WasmModuleNotFound`."""
        module = await self._rows.module(source_hash)
        if module is None:
            raise WasmModuleNotFound("There is no such module: upload it first (POST /api/v1/mcp-servers/modules).")
        return module

    async def forget(self, source_hash: str) -> None:
        """Delete a module; raises `WasmModuleNotFound`, `ModuleInUse`."""
        module = await self.module(source_hash)
        if await self._rows.is_used(module.id):
            raise ModuleInUse("A server is made of this module.")
        await self._rows.remove(module)

    async def add(
        self, target: ServerTarget, setup: WasmSetup, offer: Offer, side_effect: SideEffect
    ) -> tuple[McpServer, WasmRow, WasmModule]:
        """Store a server that is made of a module of its owner, and pin what it offers."""
        module = await self.module(setup.module)
        server = await self._servers.add(module.owner_id, target, offer, side_effect)
        row = WasmRow(
            server_id=target.id, module_id=module.id, limits=setup.limits.model_dump(mode="json"),
            grants=setup.grants.model_dump(mode="json"), stopped_at=None, updated_at=datetime.now(UTC),
        )  # fmt: skip
        await self._rows.add(row)
        return server, row, module

    async def get(self, server_id: UUID) -> tuple[WasmRow, WasmModule]:
        """The WASM part of a server; raises `ServerNotFound`, `NotAWasmServer`."""
        row, module, _ = await self._found(server_id)
        return row, module

    async def owner(self, server_id: UUID) -> str:
        """Whose server it is; raises `ServerNotFound`, `NotAWasmServer`."""
        return (await self._found(server_id))[2].owner_id

    async def replace(self, server_id: UUID, setup: WasmSetup, offer: Offer, *, by: str) -> Comparison:
        """Run another module from now on, and pin what that one offers: who replaces it has it read there."""
        row, _, server = await self._found(server_id)
        module = await self.module(setup.module)
        if module.owner_id != server.owner_id:
            raise WasmModuleNotFound("The module belongs to another owner than the server.")
        row.module_id, row.updated_at = module.id, datetime.now(UTC)
        row.limits, row.grants = setup.limits.model_dump(mode="json"), setup.grants.model_dump(mode="json")
        _, found = await self._servers.compare(server_id, offer)
        for tool in found.new_rows:
            tool.side_effect = "none"
        for name in found.changed:
            await self._tools.accept(server_id, name.removeprefix(f"{server.name}."), None, by=by)
        return found

    async def set_stopped(self, server_id: UUID, *, stopped: bool) -> tuple[WasmRow, WasmModule]:
        """Stop a server or start it; nothing happens to one that is that already."""
        row, module, _ = await self._found(server_id)
        if stopped != (row.stopped_at is not None):
            row.stopped_at = datetime.now(UTC) if stopped else None
        return row, module

    async def _found(self, server_id: UUID) -> tuple[WasmRow, WasmModule, McpServer]:
        found = await self._rows.server(server_id)
        if found is None:
            server = await self._servers.get(server_id)
            raise NotAWasmServer(f"{server.name} is reached over {server.transport}: it has no module.")
        return found


def offer_out_of(found: Sequence[Offered]) -> Offer:
    """What a module offers, looked at like what any stranger offers."""
    named = [
        RemoteTool(row.name, row.description, row.input_schema)
        for row in found
        if isinstance(row.name, str) and isinstance(row.description, str) and isinstance(row.input_schema, dict)
    ]
    offer = offer_of(named)
    if len(named) < len(found):
        offer.warnings.append("What has no name, description and schema as an object is left out.")
    return offer


def server_of(server_id: UUID, module: WasmModule, setup: WasmSetup) -> WasmServer:
    """A server as the pool runs it."""
    return WasmServer(server_id, module.id, module.source_hash, setup.limits, setup.grants)
