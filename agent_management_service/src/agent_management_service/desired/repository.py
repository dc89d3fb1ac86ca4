"""Desired state of all owners' agents; only for services, behind /internal."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from agent_management_service.agents.models import AgentRow
from agent_management_service.errors import AgentNotFound, VersionNotFound
from agent_management_service.versions.models import VersionRow

TOMBSTONES_FOR = timedelta(days=7)
DesiredRow = tuple[AgentRow, dict[str, Any] | None, dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class DesiredRepository:
    """Agents with the spec of the version that answers, and with that of the canary."""

    session: AsyncSession

    async def page(self, limit: int, after: UUID | None) -> Sequence[DesiredRow]:
        """Up to `limit + 1` agents that were ever announced, by id; the deleted for seven days more."""
        statement = _with_spec().where(
            AgentRow.generation > 0,
            or_(AgentRow.deleted_at.is_(None), AgentRow.deleted_at > func.now() - TOMBSTONES_FOR),
        )
        if after is not None:
            statement = statement.where(AgentRow.id > after)
        rows = await self.session.execute(statement.order_by(AgentRow.id).limit(limit + 1))
        return [(row, spec, canary) for row, spec, canary in rows]

    async def version(self, agent_id: UUID, number: int) -> dict[str, Any]:
        """What a version of an agent says; `VersionNotFound`, also for a deleted agent's."""
        statement = select(VersionRow.spec).join(AgentRow, AgentRow.id == VersionRow.agent_id)
        found = await self.session.scalar(
            statement.where(AgentRow.id == agent_id, VersionRow.number == number, AgentRow.deleted_at.is_(None))
        )
        if found is None:
            raise VersionNotFound
        return found

    async def resolve(self, owner_ids: Collection[str], agent: str) -> DesiredRow:
        """An agent of one of the owners by id or name; `AgentNotFound`, also for a deleted one."""
        statement = _with_spec().where(AgentRow.owner_id.in_(owner_ids), AgentRow.deleted_at.is_(None), _named(agent))
        found = (await self.session.execute(statement)).first()
        if found is None:
            raise AgentNotFound
        row, spec, canary = found
        return row, spec, canary


def _named(agent: str) -> ColumnElement[bool]:
    try:
        return AgentRow.id == UUID(agent)
    except ValueError:
        return AgentRow.name == agent


def _with_spec() -> Select[AgentRow, dict[str, Any], dict[str, Any]]:
    answering, canary = aliased(VersionRow), aliased(VersionRow)
    number = func.coalesce(AgentRow.stable_version, AgentRow.version)
    return (
        select(AgentRow, answering.spec, canary.spec)
        .outerjoin(answering, and_(answering.agent_id == AgentRow.id, answering.number == number))
        .outerjoin(canary, and_(canary.agent_id == AgentRow.id, canary.number == AgentRow.canary_version))
    )
