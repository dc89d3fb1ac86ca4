"""All SQL on the table `flows`."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.flows.models import FlowRow
from agent_management_service.versions.models import VersionRow


@dataclass(frozen=True, slots=True)
class FlowRepository:
    """The flows of agents; that an agent is the caller's was asked of `AgentRepository` before."""

    session: AsyncSession

    async def get(self, agent_id: UUID, digest: str) -> dict[str, Any] | None:
        """One of the agent's flows."""
        statement = select(FlowRow.document).where(FlowRow.agent_id == agent_id, FlowRow.hash == digest)
        return await self.session.scalar(statement)

    async def has(self, agent_id: UUID, digest: str) -> bool:
        """Whether it is one of the agent's."""
        statement = select(exists().where(FlowRow.agent_id == agent_id, FlowRow.hash == digest))
        return await self.session.scalar(statement) is True

    async def keep(self, agent_id: UUID, digest: str, document: dict[str, Any]) -> None:
        """Keep a flow, once."""
        row = {"agent_id": agent_id, "hash": digest, "document": document}
        await self.session.execute(insert(FlowRow).values(row).on_conflict_do_nothing())

    async def forget_unused(self, agent_id: UUID, of_draft: str | None) -> None:
        """Drop the agent's flows that neither its draft nor a version of it names. The caller holds its row lock."""
        in_version = VersionRow.spec["runtime"]["flow"].astext == FlowRow.hash
        used = exists().where(VersionRow.agent_id == FlowRow.agent_id, in_version)
        unused = delete(FlowRow).where(FlowRow.agent_id == agent_id, ~used)
        if of_draft is not None:
            unused = unused.where(FlowRow.hash != of_draft)
        await self.session.execute(unused)
