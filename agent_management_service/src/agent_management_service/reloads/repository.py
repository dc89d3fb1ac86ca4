"""All SQL on the table `reloads`."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from agent_management_service.reloads.models import ReloadRow


@dataclass(frozen=True, slots=True)
class ReloadRepository:
    """The last reload of each agent; that an agent is the caller's was asked of `AgentRepository` before."""

    session: AsyncSession

    def attempt(self) -> AbstractAsyncContextManager[AsyncSessionTransaction]:
        """A part of the transaction that leaves nothing behind if it raises."""
        return self.session.begin_nested()

    async def last(self, agent_id: UUID) -> ReloadRow | None:
        """The agent's last reload."""
        return await self.session.get(ReloadRow, agent_id)

    async def keep(self, row: ReloadRow) -> ReloadRow:
        """Put it in place of the one before. The caller holds the agent's row lock."""
        kept = await self.session.merge(row)
        await self.session.flush()
        return kept
