"""All SQL about imported APIs."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import PageRequest, id_in
from tool_registry_service.http_tools.models import HttpApi


class HttpApiRepository:
    """The imported APIs of some owners."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def add(self, api: HttpApi) -> None:
        """Store an API."""
        self._session.add(api)
        await self._session.flush()

    async def find(self, api_id: UUID, *, lock: bool = False) -> HttpApi | None:
        """The API of this id; with `lock`, held until the transaction ends."""
        query = select(HttpApi).where(HttpApi.owner_id.in_(self._owner_ids), HttpApi.id == api_id)
        return (await self._session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()

    async def page(self, request: PageRequest) -> Sequence[HttpApi]:
        """`limit + 1` APIs, newest first."""
        query = select(HttpApi).where(HttpApi.owner_id.in_(self._owner_ids))
        if request.after is not None:
            query = query.where(HttpApi.id < id_in(request.after))
        return (await self._session.execute(query.order_by(HttpApi.id.desc()).limit(request.limit + 1))).scalars().all()

    async def remove(self, api: HttpApi) -> None:
        """Delete an API with its tools."""
        await self._session.execute(delete(HttpApi).where(HttpApi.id == api.id))
