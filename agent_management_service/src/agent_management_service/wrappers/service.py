"""Deploying a wrapper, and what runs of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.agents.service import AgentService
from agent_management_service.clients import DeploymentObserver
from agent_management_service.errors import AgentNotFound
from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.repository import KindRepository
from agent_management_service.publishing.service import PublishingService
from agent_management_service.versions.repository import VersionRepository
from agent_management_service.wrappers.compiling import wrapped_spec
from agent_management_service.wrappers.models import WrapperRow
from agent_management_service.wrappers.schemas import DeployedAgent, WrapperState, WrapperStatus
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.deployments import DeploymentState, ObservedDeployment
from kgents_shared.errors import FaultItem


@dataclass(frozen=True, slots=True)
class WrapperService:
    """From wrappers to agents that run, within one transaction that its caller commits."""

    wrappers: KindRepository[WrapperRow]
    agents: AgentService
    versions: VersionRepository
    publishing: PublishingService

    async def deploy(self, reference: Reference) -> WrapperRow:
        """Make or update the wrapper's own agent and publish it; `KindNotFound`, `NotRunnable`, `NameTaken`.

        An agent of that name that this wrapper didn't make is left alone: that is `NameTaken`.
        """
        row = await self.wrappers.lock(reference)
        spec = wrapped_spec(row, await self._base(row), self.agents.limits)
        agent = await self._publish(row, spec)
        row.deployed_agent_id, row.deployed_version = agent.id, row.version
        row.deployed_at = datetime.now(UTC)
        return row

    async def deployed(self, reference: Reference) -> tuple[WrapperRow, AgentRow | None]:
        """A wrapper with its own agent, None where it has none or has it no more. `KindNotFound`."""
        row = await self.wrappers.get(reference)
        agent = self._own_agent(row)
        if agent is None:
            return row, None
        try:
            return row, await self.agents.get(agent)
        except AgentNotFound:
            return row, None

    async def _publish(self, row: WrapperRow, spec: AgentSpec) -> AgentRow:
        agent = self._own_agent(row)
        if agent is not None and await self._is_there(agent):
            await self.agents.replace_draft(agent, spec)
            return await self.publishing.publish(agent)
        return await self.publishing.publish_new(await self.agents.create(row.owner_id, spec))

    async def _is_there(self, agent: Reference) -> bool:
        """Whether the wrapper's agent wasn't deleted by itself; if it was, the wrapper gets another."""
        try:
            await self.agents.agents.lock(agent)
        except AgentNotFound:
            return False
        return True

    async def _base(self, row: WrapperRow) -> Mapping[str, Any] | None:
        if row.agent_id is None:
            return None
        try:
            agent = await self.agents.get(Reference(frozenset({row.owner_id}), id=row.agent_id))
        except AgentNotFound as error:
            fault = FaultItem(("agent_id",), "the agent was deleted", "reference_missing", "name another agent")
            raise NotRunnable(Kind.WRAPPER, row.name, [fault]) from error
        return agent.draft if agent.version is None else (await self.versions.get(agent.id, agent.version)).spec

    def _own_agent(self, row: WrapperRow) -> Reference | None:
        if row.deployed_agent_id is None:
            return None
        return Reference(frozenset({row.owner_id}), id=row.deployed_agent_id)


async def observed_status(row: WrapperRow, agent: AgentRow | None, observer: DeploymentObserver) -> WrapperStatus:
    """What runs of a wrapper; the deployment service is asked, and its refusals are raised."""
    seen = None if agent is None else await observer.of_agent(agent.owner_id, agent.id)
    return WrapperStatus(
        wrapper_id=row.id,
        name=row.name,
        status=_state(row, agent, seen),
        deployed_at=row.deployed_at,
        deployed_version=row.deployed_version,
        changed_since=row.deployed_at is not None and row.updated_at > row.deployed_at,
        agent=None
        if agent is None
        else DeployedAgent(id=agent.id, name=agent.name, status=AgentStatus(agent.status), version=agent.version),
        endpoint_url=None if agent is None else f"/api/v1/agents/{agent.id}/message",
        instances=0 if seen is None else seen.instances,
        ready=0 if seen is None else seen.ready,
        last_error=None if seen is None else seen.last_error,
    )


def _state(row: WrapperRow, agent: AgentRow | None, seen: ObservedDeployment | None) -> WrapperState:
    if row.deployed_agent_id is None:
        return "not_deployed"
    if agent is None:
        return "agent_deleted"
    if seen is None:
        return "starting" if agent.status == AgentStatus.PUBLISHED else "stopped"
    if seen.state == DeploymentState.READY and seen.version != agent.version:
        # The deployment service hasn't heard of the newest version yet.
        return "updating"
    return seen.state.value
