"""All SQL about WASM modules and servers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import HotPool, PageRequest, id_in
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmLimits
from tool_registry_service.wasm_tools.models import WasmModule, WasmRow
from tool_registry_service.wasm_tools.pool import WasmServer

_SERVER = """
SELECT w.module_id, m.source_hash, w.limits, w.grants, w.stopped_at
FROM tools.wasm_servers w JOIN tools.wasm_modules m ON m.id = w.module_id
WHERE w.server_id = %s
"""
_SOURCE = "SELECT source FROM tools.wasm_modules WHERE id = %s"


class WasmRepository:
    """The modules and WASM servers of some owners."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def add(self, row: WasmModule | WasmRow) -> None:
        """Store a module, or a server's part."""
        self._session.add(row)
        await self._session.flush()

    async def module(self, source_hash: str) -> WasmModule | None:
        """The module of this hash, held until the transaction ends."""
        query = select(WasmModule).where(
            WasmModule.owner_id.in_(self._owner_ids), WasmModule.source_hash == source_hash
        )
        return (await self._session.execute(query.with_for_update())).scalars().first()

    async def page(self, request: PageRequest) -> Sequence[WasmModule]:
        """`limit + 1` modules, newest first."""
        query = select(WasmModule).where(WasmModule.owner_id.in_(self._owner_ids))
        if request.after is not None:
            query = query.where(WasmModule.id < id_in(request.after))
        return (
            (await self._session.execute(query.order_by(WasmModule.id.desc()).limit(request.limit + 1))).scalars().all()
        )

    async def server(self, server_id: UUID) -> tuple[WasmRow, WasmModule, McpServer] | None:
        """A server's part, its module and itself, held until the transaction ends."""
        query = (
            select(WasmRow, WasmModule, McpServer)
            .join(WasmModule, WasmModule.id == WasmRow.module_id)
            .join(McpServer, McpServer.id == WasmRow.server_id)
            .where(WasmRow.server_id == server_id, McpServer.owner_id.in_(self._owner_ids))
            .with_for_update(of=WasmRow)
        )
        row = (await self._session.execute(query)).first()
        return None if row is None else (row[0], row[1], row[2])

    async def is_used(self, module_id: UUID) -> bool:
        """Whether a server is made of a module."""
        query = select(exists().where(WasmRow.module_id == module_id))
        return bool((await self._session.execute(query)).scalar())

    async def bytes_of_all(self) -> int:
        """How much the owners' modules have together."""
        query = select(func.coalesce(func.sum(WasmModule.size), 0)).where(WasmModule.owner_id.in_(self._owner_ids))
        return int((await self._session.execute(query)).scalar_one())

    async def remove(self, module: WasmModule) -> None:
        """Delete a module."""
        await self._session.execute(delete(WasmModule).where(WasmModule.id == module.id))

    async def remove_unused(self, before: datetime) -> None:
        """Delete what was uploaded before then and nothing is made of."""
        used = exists().where(WasmRow.module_id == WasmModule.id)
        await self._session.execute(
            delete(WasmModule).where(WasmModule.owner_id.in_(self._owner_ids), WasmModule.created_at < before, ~used)
        )


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server as its calls need it."""

    server: WasmServer
    is_stopped: bool


class WasmReader:
    """What a call needs to know: plain statements on a pool of their own, since they stand on a message's path."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def server(self, server_id: UUID) -> KnownServer | None:
        """What a server runs, as it is now."""
        row = await self._one(_SERVER, server_id)
        if row is None:
            return None
        module_id, source_hash, limits, grants, stopped_at = row
        server = WasmServer(
            server_id, module_id, source_hash, WasmLimits.model_validate(limits), WasmGrants.model_validate(grants)
        )
        return KnownServer(server, stopped_at is not None)

    async def source(self, server: WasmServer) -> bytes | None:
        """A module's bytes."""
        row = await self._one(_SOURCE, server.module_id)
        return None if row is None else bytes(row[0])

    async def _one(self, query: str, key: UUID) -> tuple[Any, ...] | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, (key,))  # pyright: ignore[reportArgumentType]
            return await cursor.fetchone()
