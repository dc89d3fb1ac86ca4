"""What the versions and the draft of an agent have to do with each other."""

import asyncio
from dataclasses import dataclass
from typing import Any

from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.errors import NotPublished
from agent_management_service.versions.diff import Change, changes_between
from agent_management_service.versions.repository import VersionRepository
from agent_management_service.versions.schemas import Difference
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec


@dataclass(frozen=True, slots=True)
class VersionService:
    """Compares definitions, within one transaction that its caller commits."""

    agents: AgentRepository
    versions: VersionRepository

    async def difference(self, reference: Reference, old: int | None, new: int | None) -> Difference:
        """What changes from version `old` (None: the one in force) to version `new` (None: the draft).

        `AgentNotFound`, `VersionNotFound`, `NotPublished` where no version is in force.
        """
        row = await self.agents.get(reference)
        first = row.version if old is None else old
        if first is None:
            raise NotPublished
        before = (await self.versions.get(row.id, first)).spec
        after = row.draft if new is None else (await self.versions.get(row.id, new)).spec
        return Difference(from_version=first, to_version=new, changes=await _changes(before, after))

    async def unpublished_changes(self, row: AgentRow) -> list[Change]:
        """What the next publish would change; for an agent that was never published, every field that it sets."""
        before = None if row.version is None else (await self.versions.get(row.id, row.version)).spec
        return await _changes(before, row.draft)


async def _changes(before: dict[str, Any] | None, after: dict[str, Any]) -> list[Change]:
    # Texts that repeat themselves take up to half a second: others are served meanwhile.
    return await asyncio.to_thread(changes_of_specs, before, after)


def changes_of_specs(before: dict[str, Any] | None, after: dict[str, Any]) -> list[Change]:
    """The changes between two stored definitions, each as it is read today: with today's defaults for what it lacks."""
    old = {} if before is None else AgentSpec.model_validate(before).model_dump(mode="json")
    return changes_between(old, AgentSpec.model_validate(after).model_dump(mode="json"))
