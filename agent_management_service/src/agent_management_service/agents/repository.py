"""All SQL on the table `agents`; every query is filtered by the owner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.agents.listing import AgentFilter
from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.errors import AgentNotFound, NameTaken
from kgents_shared.auth import Reference
from kgents_shared.db import Cursor, new_id


@dataclass(frozen=True, slots=True)
class AgentRepository:
    """The agents of all owners, seen by one caller at a time."""

    session: AsyncSession

    async def add(self, owner_id: str, name: str, draft: dict[str, Any]) -> AgentRow:
        """A new draft; `NameTaken` where the owner has that name, also against a racer."""
        statement = (
            insert(AgentRow)
            .values(id=new_id(), owner_id=owner_id, name=name, status=AgentStatus.DRAFT, draft=draft)
            .on_conflict_do_nothing(index_elements=["owner_id", "name"], index_where=AgentRow.deleted_at.is_(None))
            .returning(AgentRow)
        )
        row = await self.session.scalar(statement)
        if row is None:
            raise NameTaken(name)
        return row

    async def get(self, reference: Reference) -> AgentRow:
        """The agent that the caller means; `AgentNotFound` where there is none."""
        return await self._one(_meant(reference))

    async def lock(self, reference: Reference) -> AgentRow:
        """The same, with its row locked until the transaction ends: changes of one agent happen one after another."""
        return await self._one(_meant(reference).with_for_update())

    async def _one(self, statement: Select[AgentRow]) -> AgentRow:
        row = await self.session.scalar(statement)
        if row is None:
            raise AgentNotFound
        return row

    async def ids_of(self, owner_id: str) -> Sequence[UUID]:
        """The ids of all of an owner's agents."""
        wanted = select(AgentRow.id).where(AgentRow.owner_id == owner_id, AgentRow.deleted_at.is_(None))
        return (await self.session.scalars(wanted)).all()

    async def statuses(self, owner_id: str, names: Collection[str]) -> Mapping[str, str]:
        """What has become of the owner's agents of those names, by name."""
        wanted = select(AgentRow.name, AgentRow.status).where(
            AgentRow.owner_id == owner_id, AgentRow.name.in_(names), AgentRow.deleted_at.is_(None)
        )
        return {name: str(status) for name, status in await self.session.execute(wanted)}

    async def names(self, owner_id: str, limit: int) -> Sequence[str]:
        """The owner's newest agents."""
        wanted = select(AgentRow.name).where(AgentRow.owner_id == owner_id, AgentRow.deleted_at.is_(None))
        return (await self.session.scalars(wanted.order_by(AgentRow.id.desc()).limit(limit))).all()

    async def page(
        self, owner_ids: Collection[str], wanted: AgentFilter, limit: int, after: Cursor | None
    ) -> Sequence[AgentRow]:
        """Up to `limit + 1` of the owners' agents after the cursor, in the order that was asked for."""
        statement = select(AgentRow).where(AgentRow.owner_id.in_(owner_ids), AgentRow.deleted_at.is_(None))
        if wanted.status is not None:
            statement = statement.where(AgentRow.status == wanted.status)
        return (await self.session.scalars(wanted.page(statement, AgentRow, limit, after))).all()


def _meant(reference: Reference) -> Select[AgentRow]:
    statement = select(AgentRow).where(AgentRow.owner_id.in_(reference.owner_ids), AgentRow.deleted_at.is_(None))
    if reference.id is not None:
        return statement.where(AgentRow.id == reference.id)
    return statement.where(AgentRow.name == reference.name)
