"""What the reconciler reads and writes, a transaction each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from agent_deployment_service.deployments.lifecycle import Observed, observe
from agent_deployment_service.deployments.models import DeploymentRow, WantedVersionRow
from agent_deployment_service.deployments.repository import DeploymentRepository
from agent_deployment_service.instances.repository import InstanceRepository
from agent_deployment_service.instances.states import AnyInstance, LiveInstance, Starting
from agent_deployment_service.reconciler.decision import Target
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import CANARY
from kgents_shared.contracts.published_agent import CanaryVersion, DesiredState, PublishedAgent
from kgents_shared.db import Database


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent: what should run, and what was last observed.

    `target` is that of the stable lane; `beside` are those of the canary and of the versions that are asked for.
    """

    target: Target
    desired: DesiredState
    instances: list[LiveInstance]
    beside: tuple[Target, ...] = ()

    @property
    def deleted(self) -> bool:
        """Whether nothing should ever run again."""
        return self.desired is DesiredState.DELETED

    @property
    def observed(self) -> Observed:
        """What the agent is to who talks to it."""
        return observe(self.desired, self.target.version, self.target.epoch, self.instances)

    def lanes(self) -> dict[str, Target]:
        """What should run by lane; nothing in one that only has instances left."""
        found = {target.lane: target for target in (self.target, *self.beside)}
        for item in self.instances:
            found.setdefault(item.lane, replace(self.target, lane=item.lane, version=None, spec=None))
        return found


@dataclass(frozen=True, slots=True)
class ReconcilerStore:
    """Desired and observed state in PostgreSQL. `launcher` is the name that new deployments carry."""

    database: Database
    launcher: str

    async def apply(self, wanted: PublishedAgent) -> bool:
        """Stores a desired state if it is newer than what is known; whether it was."""
        async with self.database.transaction() as session:
            return await DeploymentRepository(session).apply(wanted, self.launcher)

    async def apply_listing(self, listing: list[PublishedAgent], since: ListingBegan) -> set[UUID]:
        """Stores what is newer of a whole listing and marks what it doesn't have as deleted; the agents that changed.

        `since` is what `listing_began` gave before the listing was asked for.
        """
        newer = [item for item in listing if item.generation > since.generations.get(item.agent_id, 0)]
        changed: set[UUID] = set()
        for item in newer:
            if await self.apply(item):
                changed.add(item.agent_id)
        missing = set(since.generations) - {item.agent_id for item in listing}
        if missing:
            async with self.database.transaction() as session:
                repository = DeploymentRepository(session)
                for agent_id in missing:
                    if await repository.delete_at(agent_id, since.generations[agent_id]):
                        changed.add(agent_id)
        return changed

    async def listing_began(self) -> ListingBegan:
        """The generations known now, to compare a listing with that is asked for afterwards."""
        async with self.database.transaction() as session:
            return ListingBegan(await DeploymentRepository(session).generations())

    async def view(self, agent_id: UUID) -> AgentView | None:
        """One agent, or None if it was never heard of."""
        async with self.database.transaction() as session:
            repository = DeploymentRepository(session)
            row = await repository.of_agent(agent_id)
            if row is None:
                return None
            instances = await InstanceRepository(session).live_of(agent_id)
            wanted = await repository.wanted_versions([row.id])
        return _view(row, instances, wanted)

    async def views(self) -> list[AgentView]:
        """Every agent that should run, stop or has instances still."""
        async with self.database.transaction() as session:
            live = await InstanceRepository(session).live()
            by_agent: dict[UUID, list[LiveInstance]] = defaultdict(list)
            for item in live:
                by_agent[item.agent_id].append(item)
            repository = DeploymentRepository(session)
            rows = await repository.to_check(list(by_agent))
            wanted: dict[UUID, list[WantedVersionRow]] = defaultdict(list)
            for one in await repository.wanted_versions([row.id for row in rows]):
                wanted[one.deployment_id].append(one)
        return [_view(row, by_agent[row.agent_id], wanted[row.id]) for row in rows]

    async def add(self, instance: Starting) -> None:
        """A new instance; older ended ones of its deployment are deleted."""
        async with self.database.transaction() as session:
            repository = InstanceRepository(session)
            await repository.add(instance)
            await repository.prune(instance.deployment_id)

    async def change(self, before: LiveInstance, after: AnyInstance) -> None:
        """Moves an instance to another state; `StaleInstanceError` if somebody else moved it."""
        async with self.database.transaction() as session:
            await InstanceRepository(session).change(before, after)


@dataclass(frozen=True, slots=True)
class ListingBegan:
    """Agent → generation, of all that is not deleted."""

    generations: dict[UUID, int]


def _view(row: DeploymentRow, instances: list[LiveInstance], asked_for: Sequence[WantedVersionRow]) -> AgentView:
    wanted = row.desired == DesiredState.RUNNING
    target = Target(
        deployment_id=row.id,
        agent_id=row.agent_id,
        owner_id=row.owner_id,
        name=row.name,
        generation=row.generation,
        epoch=row.epoch,
        version=row.version if wanted else None,
        spec=AgentSpec.model_validate(row.spec) if wanted and row.spec is not None else None,
    )
    beside = tuple(_beside(row, target, asked_for)) if wanted else ()
    return AgentView(target, DesiredState(row.desired), instances, beside)


def _beside(row: DeploymentRow, stable: Target, asked_for: Sequence[WantedVersionRow]) -> Iterator[Target]:
    """What should run beside the stable version; a version that a label runs already needs no lane of its own."""
    labelled = {stable.version}
    if row.canary is not None:
        canary = CanaryVersion.model_validate(row.canary)
        labelled.add(canary.version)
        yield replace(stable, lane=CANARY, version=canary.version, spec=canary.spec, share=canary.share)
    for one in asked_for:
        if one.version not in labelled:
            spec = AgentSpec.model_validate(one.spec)
            yield replace(stable, lane=str(one.version), version=one.version, spec=spec)
