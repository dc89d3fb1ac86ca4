"""All SQL about tools, beside the invocation's own."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import PageRequest
from tool_registry_service.tools.models import Tool


class ToolRepository:
    """The tools of one owner."""

    def __init__(self, session: AsyncSession, owner_id: str) -> None:
        self._session = session
        self._owner_id = owner_id

    async def add(self, tools: Iterable[Tool]) -> None:
        """Store new tools."""
        self._session.add_all(tools)
        await self._session.flush()

    async def of_server(self, server_id: UUID) -> Sequence[Tool]:
        """Every tool of a server, by name."""
        query = select(Tool).where(Tool.owner_id == self._owner_id, Tool.server_id == server_id)
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def find(self, name: str) -> Tool | None:
        """The owner's tool of this full name."""
        query = select(Tool).where(Tool.owner_id == self._owner_id, Tool.name == name)
        return (await self._session.execute(query)).scalar_one_or_none()

    async def find_remote(self, server_id: UUID, remote_name: str) -> Tool | None:
        """The tool that a server calls `remote_name`, held until the transaction ends."""
        query = select(Tool).where(
            Tool.owner_id == self._owner_id, Tool.server_id == server_id, Tool.remote_name == remote_name
        )
        return (await self._session.execute(query.with_for_update())).scalar_one_or_none()

    async def active(self) -> Sequence[Tool]:
        """Every tool that can be called, by name."""
        query = select(Tool).where(Tool.owner_id == self._owner_id, Tool.state == "active")
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def page(self, request: PageRequest, server_id: UUID | None) -> Sequence[Tool]:
        """`limit + 1` tools by name."""
        query = select(Tool).where(Tool.owner_id == self._owner_id)
        if server_id is not None:
            query = query.where(Tool.server_id == server_id)
        if request.after is not None:
            query = query.where(Tool.name > request.after[0])
        return (await self._session.execute(query.order_by(Tool.name).limit(request.limit + 1))).scalars().all()
