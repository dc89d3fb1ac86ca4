"""What publishing, stopping, rolling back and deleting mean: state, generation and event in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.errors import NotPublished
from agent_management_service.flows.publishing import FlowGate
from agent_management_service.publishing.events import AgentEvents
from agent_management_service.versions.content_hash import content_hash
from agent_management_service.versions.models import VersionRow
from agent_management_service.versions.repository import VersionRepository
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec


@dataclass(frozen=True, slots=True)
class PublishingService:
    """Changes of the desired state, within one transaction that its caller commits.

    Each takes the agent's row lock first, so that generations are given one after another.
    """

    agents: AgentRepository
    versions: VersionRepository
    events: AgentEvents
    gate: FlowGate

    async def publish(self, reference: Reference) -> AgentRow:
        """Freeze the draft and want it running; an unchanged draft starts its version (again) instead."""
        return await self._publish(await self.agents.lock(reference))

    async def publish_new(self, row: AgentRow) -> AgentRow:
        """The same for an agent made in this transaction."""
        return await self._publish(row)

    async def rollback(self, reference: Reference, number: int) -> AgentRow:
        """Want an older version running; the draft stays as it is. `VersionNotFound`.

        The label `stable` goes along where it is set: else what is rolled back to would not answer.
        """
        row = await self.agents.lock(reference)
        version = await self.versions.get(row.id, number)
        if row.stable_version is not None:
            row.stable_version = number
        return await self._run(row, version)

    async def stop(self, reference: Reference) -> AgentRow:
        """Want the agent stopped; one that is stopped stays as it is. `NotPublished` for a mere draft."""
        row = await self.agents.lock(reference)
        if row.status == AgentStatus.DRAFT:
            raise NotPublished
        if row.status == AgentStatus.PUBLISHED:
            row.status = AgentStatus.STOPPED
            await self.announce(row)
        return row

    async def delete(self, reference: Reference) -> None:
        """Leave a tombstone and want the agent gone."""
        row = await self.agents.lock(reference)
        row.deleted_at = datetime.now(UTC)
        await self.announce(row)

    async def announce(self, row: AgentRow) -> None:
        """Tell of a new desired state. The caller holds the agent's row lock."""
        row.generation += 1
        row.updated_at = datetime.now(UTC)
        await self.events.announce(row, await self._spec(row, row.answering), await self._spec(row, row.canary_version))

    async def _publish(self, row: AgentRow) -> AgentRow:
        await self.gate.check(row.id, AgentSpec.model_validate(row.draft))
        newest = await self.versions.newest(row.id)
        if newest is None or newest.content_hash != content_hash(row.draft):
            newest = await self.versions.freeze(row.id, 1 if newest is None else newest.number + 1, row.draft)
        return await self._run(row, newest)

    async def _run(self, row: AgentRow, version: VersionRow) -> AgentRow:
        row.status = AgentStatus.PUBLISHED
        row.version = version.number
        row.published_at = datetime.now(UTC)
        await self.announce(row)
        return row

    async def _spec(self, row: AgentRow, number: int | None) -> dict[str, Any] | None:
        return None if number is None else (await self.versions.get(row.id, number)).spec
