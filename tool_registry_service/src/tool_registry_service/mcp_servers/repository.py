"""All SQL about MCP servers."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import PageRequest
from tool_registry_service.errors import ServerNameTaken
from tool_registry_service.mcp_servers.models import McpServer


class McpServerRepository:
    """The servers of some owners."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def add(self, server: McpServer) -> None:
        """Store a server; raises `ServerNameTaken`."""
        self._session.add(server)
        await self.flush(server)

    async def flush(self, server: McpServer) -> None:
        """Write what was changed of a server and its tools; raises `ServerNameTaken`."""
        try:
            await self._session.flush()
        except IntegrityError as error:
            raise ServerNameTaken(f"There is an MCP server named {server.name} already.") from error

    async def has_name(self, name: str) -> bool:
        """Whether one of the owners has a server of this name."""
        query = select(McpServer.id).where(McpServer.owner_id.in_(self._owner_ids), McpServer.name == name)
        return (await self._session.execute(query)).first() is not None

    async def find(self, server_id: UUID, *, lock: bool = False) -> McpServer | None:
        """The server of this id; with `lock`, held until the transaction ends."""
        query = select(McpServer).where(McpServer.owner_id.in_(self._owner_ids), McpServer.id == server_id)
        return (await self._session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()

    async def page(self, request: PageRequest) -> Sequence[McpServer]:
        """`limit + 1` servers, newest first."""
        query = select(McpServer).where(McpServer.owner_id.in_(self._owner_ids))
        if request.after is not None:
            query = query.where(McpServer.id < UUID(request.after[0]))
        return (
            (await self._session.execute(query.order_by(McpServer.id.desc()).limit(request.limit + 1))).scalars().all()
        )

    async def remove(self, server: McpServer) -> None:
        """Delete a server with its tools."""
        await self._session.execute(delete(McpServer).where(McpServer.id == server.id))
