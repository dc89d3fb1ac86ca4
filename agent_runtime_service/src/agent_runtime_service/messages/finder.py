"""From what a caller writes as `{agent}` to an instance that takes a run."""

from dataclasses import dataclass
from uuid import UUID

from agent_runtime_service.clients import AgentCatalog
from agent_runtime_service.errors import (
    AgentNotFound,
    AgentNotPublished,
    AgentStarting,
    AgentStopped,
    LabelNotFound,
)
from agent_runtime_service.instances.directory import Instance, InstanceDirectory
from agent_runtime_service.instances.lanes import number_of, split_address
from agent_runtime_service.instances.versions_in_use import VersionsInUse
from kgents_shared.auth import Principal, Reference, referenced
from kgents_shared.contracts.agent_spec import MemorySpec
from kgents_shared.contracts.instances import CANARY, STABLE
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent


def meant_agent(principal: Principal, agent: str) -> Reference:
    """What a caller means by `{agent}`; raises `AgentNotFound` for what can be none of theirs."""
    found = referenced(principal, agent)
    if found is None:
        raise AgentNotFound("There is no such agent.")
    return found


def meant_lane(agent: str) -> tuple[str, str | None]:
    """The agent and the lane behind `@`, None where there is none; raises `LabelNotFound` for what is no lane."""
    try:
        return split_address(agent)
    except ValueError as error:
        raise LabelNotFound(
            "There is no such label: behind @ stands stable, canary or the number of a version."
        ) from error


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """An agent by its id, its name and whose it is."""

    agent_id: UUID
    name: str
    owner_id: str


class AgentFinder:
    """An agent by the caller's name for it or its id: from memory, else from the agent management service."""

    def __init__(
        self, directory: InstanceDirectory, catalog: AgentCatalog, versions: VersionsInUse, starting_wait_s: float
    ) -> None:
        self._directory = directory
        self._catalog = catalog
        self._versions = versions
        self._starting_wait_s = starting_wait_s

    def lane_of_new(self, agent: Reference, conversation_id: UUID) -> str:
        """Where a new conversation begins: its id decides, so that the canary has its share of all."""
        agent_id = self._directory.find_agent(agent)
        canary = None if agent_id is None else self._directory.choose(agent_id, CANARY)
        share = 0 if canary is None else canary.registration.share
        return CANARY if conversation_id.int % 100 < share else STABLE

    async def ready_instance(self, agent: Reference, lane: str, *, asked: bool) -> Instance:
        """An instance of the lane that takes runs; of the stable one where a canary is no more that nobody `asked` for.

        Raises `AgentNotFound`, `AgentNotPublished`, `AgentStopped`, `LabelNotFound`, `VersionNotFound`,
        `TooManyVersions`, and `AgentStarting` after a short wait.
        """
        agent_id = self._directory.find_agent(agent)
        instance = None if agent_id is None else self._directory.choose(agent_id, lane)
        if instance is not None:
            await self._versions.use(instance)
            return instance
        if lane == STABLE:
            return await self._stable(agent, agent_id)
        return await self._beside(agent, lane, asked=asked)

    async def identity(self, agent: Reference) -> AgentIdentity:
        """Id, name and owner of an agent that exists, whatever its state; raises `AgentNotFound`."""
        known = self._directory.find_agent(agent)
        instances = () if known is None else self._directory.by_agent().get(known, ())
        if instances:
            first = instances[0].registration
            return AgentIdentity(first.agent_id, first.agent_name, first.owner_id)
        found = await self._resolve(agent)
        return AgentIdentity(found.agent_id, found.name, found.owner_id)

    async def agent_id(self, agent: Reference) -> UUID:
        """The id of an agent that exists, whatever its state; raises `AgentNotFound`."""
        known = self._directory.find_agent(agent)
        return known if known is not None else (await self._resolve(agent)).agent_id

    async def remembers(self, agent: Reference) -> tuple[UUID, str, MemorySpec]:
        """An agent's id, its owner, and how its version in force remembers; raises `AgentNotFound`."""
        known = self._directory.find_agent(agent)
        instance = None if known is None else self._directory.choose(known)
        if instance is not None:
            registration = instance.registration
            return registration.agent_id, registration.owner_id, registration.spec.memory
        found = await self._resolve(agent)
        return found.agent_id, found.owner_id, MemorySpec() if found.spec is None else found.spec.memory

    async def _stable(self, agent: Reference, agent_id: UUID | None) -> Instance:
        waited_for = agent_id if agent_id is not None else (await self._published(agent)).agent_id
        instance = await self._directory.wait_for(waited_for, self._starting_wait_s)
        if instance is None:
            if agent_id is not None:  # it may be more than a worker that is being replaced
                await self._published(agent)
            raise AgentStarting("The agent is published, but no instance of it is ready yet; try again.")
        return instance

    async def _beside(self, agent: Reference, lane: str, *, asked: bool) -> Instance:
        found = await self._published(agent)
        number = number_of(lane)
        if number is not None:
            await self._versions.want(found.agent_id, number)
        elif found.canary is None and asked:
            raise LabelNotFound("No version of the agent has the label canary.")
        elif found.canary is None:
            return await self._stable(agent, found.agent_id)
        instance = await self._directory.wait_for(found.agent_id, self._starting_wait_s, lane)
        if instance is None:
            raise AgentStarting("The version is being started, but no instance of it is ready yet; try again.")
        return instance

    async def _resolve(self, agent: Reference) -> PublishedAgent:
        found = await self._catalog.resolve(agent)
        if found is None or found.owner_id not in agent.owner_ids or found.desired is DesiredState.DELETED:
            raise AgentNotFound("There is no such agent.")
        return found

    async def _published(self, agent: Reference) -> PublishedAgent:
        found = await self._resolve(agent)
        if found.version is None:
            raise AgentNotPublished("The agent is a draft; publish it first.")
        if found.desired is DesiredState.STOPPED:
            raise AgentStopped("The agent is stopped; publish it to start it again.")
        return found
