"""Calls of tools that are WebAssembly."""

import json

from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.calls import CallableTool, Executor, ToolAnswer
from tool_registry_service.errors import NeverSent
from tool_registry_service.wasm_tools.faults import ServerStopped
from tool_registry_service.wasm_tools.pool import WasmPool
from tool_registry_service.wasm_tools.repository import WasmReader


class WasmExecutor:
    """Calls of tools of servers with transport `wasm` in this process; those of any other go on to `others`."""

    def __init__(self, pool: WasmPool, reader: WasmReader, others: Executor) -> None:
        self._pool = pool
        self._reader = reader
        self._others = others

    async def call(self, tool: CallableTool, call: InvokeToolRequest) -> ToolAnswer:
        """Call it once; raises `ToolCallFault`."""
        if tool.target is None or tool.target.transport != "wasm":
            return await self._others.call(tool, call)
        found = await self._reader.server(tool.target.id)
        if found is None:
            raise NeverSent("Its module is gone.")
        if found.is_stopped:
            raise ServerStopped(f"The server {tool.target.name} is stopped; its owner can start it again.")
        return await self._pool.call(found.server, tool.remote_name, json.dumps(call.arguments, separators=(",", ":")))
