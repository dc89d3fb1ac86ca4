"""Making a server of an uploaded module: it is compiled and asked for its tools. No transaction is open meanwhile."""

from uuid import UUID

from kgents_shared.contracts.tools import SideEffect
from kgents_shared.db import new_id
from tool_registry_service.errors import NeverSent
from tool_registry_service.mcp_client.targets import ServerTarget
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.tools.definitions import Offer
from tool_registry_service.wasm_tools.faults import NotATool, WasmRefused
from tool_registry_service.wasm_tools.parts import WasmTools
from tool_registry_service.wasm_tools.pool import WasmServer
from tool_registry_service.wasm_tools.schemas import WasmSetup
from tool_registry_service.wasm_tools.service import offer_out_of, server_of


async def offer_from_module(wasm: WasmTools, owner_id: str, server_id: UUID, setup: WasmSetup) -> Offer:
    """What a module of an owner offers, within these limits. Raises `WasmModuleNotFound`, `WasmRefused`."""
    async with wasm.rows([owner_id]) as rows:
        module = await rows.module(setup.module)
    return await _offer(wasm, server_of(server_id, module, setup))


async def registered(wasm: WasmTools, owner_id: str, name: str, setup: WasmSetup, side_effect: SideEffect) -> McpServer:
    """A new server with its tools. Raises `WasmModuleNotFound`, `WasmRefused`, `ServerNameTaken`."""
    target = ServerTarget(new_id(), name, "wasm")
    try:
        offer = await offer_from_module(wasm, owner_id, target.id, setup)
        async with wasm.rows([owner_id]) as rows:
            server, _, _ = await rows.add(target, setup, offer, side_effect)
            return server
    except BaseException:
        await wasm.pool.drop(target.id)
        wasm.pool.forget(target.id)
        raise


async def offer_of_server(wasm: WasmTools, target: ServerTarget) -> Offer:
    """What a server's module offers. Raises `WasmRefused`."""
    known = await wasm.reader.server(target.id)
    if known is None:
        raise WasmRefused("The server's module is gone.")
    return await _offer(wasm, known.server)


async def _offer(wasm: WasmTools, server: WasmServer) -> Offer:
    try:
        return offer_out_of(await wasm.pool.offered(server))
    except (NotATool, NeverSent) as error:
        raise WasmRefused(f"The module can't be taken: {error}") from error
