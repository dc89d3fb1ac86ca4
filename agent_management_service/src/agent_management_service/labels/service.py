"""The rules of labels: which version has one, and that what runs follows."""

from dataclasses import dataclass

from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.errors import LabelNotFound
from agent_management_service.labels.schemas import Label, LabelChange, LabelName, labels_of
from agent_management_service.publishing.service import PublishingService
from agent_management_service.versions.repository import VersionRepository
from kgents_shared.auth import Reference
from kgents_shared.errors import FaultItem, InvalidInput


@dataclass(frozen=True, slots=True)
class LabelService:
    """Labels of agents, within one transaction that its caller commits."""

    agents: AgentRepository
    versions: VersionRepository
    publishing: PublishingService

    async def all(self, reference: Reference) -> list[Label]:
        """The agent's labels. `AgentNotFound`."""
        return labels_of(await self.agents.get(reference))

    async def get(self, reference: Reference, name: LabelName) -> Label:
        """One label. `AgentNotFound`, `LabelNotFound`."""
        return _label(await self.agents.get(reference), name)

    async def put(self, reference: Reference, name: LabelName, change: LabelChange) -> Label:
        """Give a version the label, which no other has from then on. `AgentNotFound`, `VersionNotFound`.

        A canary that moves without a share keeps the one that it has.
        """
        if name is LabelName.STABLE and change.share is not None:
            fault = FaultItem(
                ("share",),
                "is the canary's alone: stable has the rest",
                "share_of_canary",
                "leave it out, or set the label canary",
            )
            raise InvalidInput("The label stable has no share of its own.", errors=[fault])
        row = await self.agents.lock(reference)
        number = (await self.versions.get(row.id, change.version)).number
        if name is LabelName.STABLE:
            wanted = (number, row.canary_version, row.canary_share)
        else:
            wanted = (row.stable_version, number, row.canary_share if change.share is None else change.share)
        await self._set(row, wanted)
        return _label(row, name)

    async def remove(self, reference: Reference, name: LabelName) -> None:
        """Take the label away. `AgentNotFound`, `LabelNotFound`."""
        row = await self.agents.lock(reference)
        _label(row, name)
        stable = name is LabelName.STABLE
        await self._set(row, (None, row.canary_version, row.canary_share) if stable else (row.stable_version, None, 0))

    async def _set(self, row: AgentRow, wanted: tuple[int | None, int | None, int]) -> None:
        if wanted == (row.stable_version, row.canary_version, row.canary_share):
            return
        row.stable_version, row.canary_version, row.canary_share = wanted
        await self.publishing.announce(row)


def _label(row: AgentRow, name: LabelName) -> Label:
    found = next((label for label in labels_of(row) if label.label is name), None)
    if found is None:
        raise LabelNotFound
    return found
