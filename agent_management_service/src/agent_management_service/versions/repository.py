"""All SQL on the table `versions`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.errors import VersionNotFound
from agent_management_service.versions.content_hash import content_hash
from agent_management_service.versions.models import VersionRow


@dataclass(frozen=True, slots=True)
class VersionRepository:
    """The versions of agents; that an agent is the caller's was asked of `AgentRepository` before."""

    session: AsyncSession

    async def newest(self, agent_id: UUID) -> VersionRow | None:
        """The version with the highest number."""
        statement = select(VersionRow).where(VersionRow.agent_id == agent_id)
        return await self.session.scalar(statement.order_by(VersionRow.number.desc()).limit(1))

    async def get(self, agent_id: UUID, number: int) -> VersionRow:
        """One version; `VersionNotFound` where there is none of that number."""
        row = await self.session.get(VersionRow, (agent_id, number))
        if row is None:
            raise VersionNotFound
        return row

    async def freeze(self, agent_id: UUID, number: int, spec: dict[str, Any]) -> VersionRow:
        """Write a new version. The caller holds the agent's row lock, so its number is free."""
        row = VersionRow(agent_id=agent_id, number=number, spec=spec, content_hash=content_hash(spec))
        self.session.add(row)
        await self.session.flush()
        return row

    async def page(self, agent_id: UUID, limit: int, before: int | None) -> Sequence[VersionRow]:
        """Up to `limit + 1` versions, newest first, with numbers below `before`."""
        statement = select(VersionRow).where(VersionRow.agent_id == agent_id)
        if before is not None:
            statement = statement.where(VersionRow.number < before)
        return (await self.session.scalars(statement.order_by(VersionRow.number.desc()).limit(limit + 1))).all()
