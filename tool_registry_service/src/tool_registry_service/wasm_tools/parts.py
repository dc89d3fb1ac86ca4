"""What the lifespan opens for WASM tools and their endpoints use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final, Self, cast

from fastapi import Depends, Request

from kgents_shared.db import Database, HotPool
from kgents_shared.events import OutboxRelay
from tool_registry_service.mcp_servers.repository import McpServerRepository
from tool_registry_service.mcp_servers.service import McpServerService
from tool_registry_service.settings import ToolsSettings
from tool_registry_service.tools.repository import ToolRepository
from tool_registry_service.tools.service import ToolService
from tool_registry_service.wasm_tools.limits import WasmRuntime
from tool_registry_service.wasm_tools.pool import WasmPool
from tool_registry_service.wasm_tools.repository import WasmReader, WasmRepository
from tool_registry_service.wasm_tools.service import WasmService

MAX_MODULE_BYTES: Final = 33_554_432
"""What one upload may have; gateways let that through (path_table.toml)."""


@dataclass(frozen=True, slots=True)
class WasmTools:
    """A block of `rows` is one transaction, committed at its end."""

    database: Database
    relay: OutboxRelay
    reader: WasmReader
    pool: WasmPool
    most_together: int
    uploads: asyncio.Semaphore

    @classmethod
    def of(cls, settings: ToolsSettings, database: Database, relay: OutboxRelay, pool: HotPool) -> Self:
        """The parts of one process."""
        reader = WasmReader(pool)
        runtime = WasmRuntime(
            threads=settings.wasm_threads, max_waiting=settings.wasm_waiting, cache_dir=settings.wasm_cache_dir,
            max_cache_bytes=settings.wasm_cache_bytes, max_loaded_bytes=settings.wasm_loaded_bytes,
            max_answer_bytes=settings.max_answer_bytes, compile_timeout_s=settings.wasm_compile_timeout_s,
            wait_s=settings.call_timeout_s, idle_unload_s=settings.idle_close_s,
        )  # fmt: skip
        key = settings.client_secret.get_secret_value().encode()
        return cls(
            database, relay, reader, WasmPool(runtime, key, reader.source), settings.wasm_owner_bytes, _uploads()
        )

    @asynccontextmanager
    async def rows(self, owner_ids: Collection[str]) -> AsyncGenerator[WasmService]:
        """The modules and WASM servers of these owners."""
        async with self.database.transaction() as session:
            tools = ToolRepository(session, owner_ids)
            servers = McpServerService(McpServerRepository(session, owner_ids), tools)
            yield WasmService(WasmRepository(session, owner_ids), servers, ToolService(tools))
        self.relay.wake()


def _uploads() -> asyncio.Semaphore:
    """How many uploads are in memory at a time."""
    return asyncio.Semaphore(2)


def _parts(request: Request) -> WasmTools:
    return cast("WasmTools", request.app.state.wasm)


WasmDep = Annotated[WasmTools, Depends(_parts)]
