"""All SQL about tools, beside the invocation's own."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import PageRequest
from tool_registry_service.tools.models import Tool


class ToolRepository:
    """The tools of some owners."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def add(self, tools: Iterable[Tool]) -> None:
        """Store new tools."""
        self._session.add_all(tools)
        await self._session.flush()

    async def of_server(self, server_id: UUID) -> Sequence[Tool]:
        """Every tool of a server, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.server_id == server_id)
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def find(self, name: str) -> Tool | None:
        """The tool of this full name; owners of several names alike are asked one at a time."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.name == name)
        return (await self._session.execute(query)).scalar_one_or_none()

    async def find_remote(self, server_id: UUID, remote_name: str) -> Tool | None:
        """The tool that a server calls `remote_name`, held until the transaction ends."""
        query = select(Tool).where(
            Tool.owner_id.in_(self._owner_ids), Tool.server_id == server_id, Tool.remote_name == remote_name
        )
        return (await self._session.execute(query.with_for_update())).scalar_one_or_none()

    async def all(self) -> Sequence[Tool]:
        """Every tool, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids)).order_by(Tool.name)
        return (await self._session.execute(query)).scalars().all()

    async def active(self) -> Sequence[Tool]:
        """Every tool that can be called, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.state == "active")
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def page(self, request: PageRequest, server_id: UUID | None) -> Sequence[Tool]:
        """`limit + 1` tools by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids))
        if server_id is not None:
            query = query.where(Tool.server_id == server_id)
        if request.after is not None:
            query = query.where(tuple_(Tool.name, Tool.id) > (request.after[0], UUID(request.after[1])))
        return (
            (await self._session.execute(query.order_by(Tool.name, Tool.id).limit(request.limit + 1))).scalars().all()
        )
