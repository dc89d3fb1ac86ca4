"""What callers may know and ask of their deployments."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from agent_deployment_service.clients import AgentActivity, AgentSource
from agent_deployment_service.deployments.lifecycle import AnyAgent, Restartable, agent_of, observe
from agent_deployment_service.deployments.models import DeploymentRow
from agent_deployment_service.deployments.repository import DeploymentRepository
from agent_deployment_service.deployments.schemas import DeploymentView, GivenLimits, InstanceView, UsageView
from agent_deployment_service.errors import AgentNotFound, NotPublished
from agent_deployment_service.instances.models import InstanceRow
from agent_deployment_service.instances.repository import InstanceRepository
from agent_deployment_service.instances.states import InstanceState
from agent_deployment_service.launchers.protocol import Launcher, Usage
from kgents_shared.auth import Principal, Reference, referenced
from kgents_shared.contracts.agent_spec import LimitsSpec
from kgents_shared.contracts.deployments import DeploymentState, ObservedDeployment
from kgents_shared.contracts.instances import STABLE
from kgents_shared.contracts.published_agent import CanaryVersion, DesiredState
from kgents_shared.db import PageRequest, id_in


@dataclass(frozen=True, slots=True)
class DeploymentService:
    """The deployments that one caller may see, within one transaction that its caller commits."""

    deployments: DeploymentRepository
    instances: InstanceRepository
    source: AgentSource
    activity: AgentActivity
    launcher: Launcher
    principal: Principal

    async def of_agent(self, agent: str) -> list[DeploymentView]:
        """The agent's deployment, or nothing for one that was never published. `AgentNotFound`."""
        row = await self._find(agent)
        return [] if row is None else await self._views([row])

    async def page(self, request: PageRequest) -> Sequence[DeploymentView]:
        """Up to `limit + 1` deployments, newest first."""
        after = None if request.after is None else id_in(request.after)
        return await self._views(await self.deployments.page(self.principal.owner_ids, request.limit, after))

    async def observed(self, agent: Reference) -> ObservedDeployment | None:
        """What runs of an agent, in numbers; None for one that was never published, or not heard of yet."""
        row = await self.deployments.find(agent)
        if row is None:
            return None
        (view,) = await self._views([row])
        errors = [item.last_error for item in view.instances if item.last_error is not None]
        return ObservedDeployment(
            agent_id=view.agent_id,
            version=view.version,
            state=view.state,
            instances=sum(item.state != InstanceState.STOPPED for item in view.instances),
            ready=sum(item.state == InstanceState.READY for item in view.instances),
            last_error=errors[0] if errors else None,
            updated_at=view.updated_at,
        )

    async def agent_id(self, agent: str) -> UUID | None:
        """The id of a published agent, None for one that never was. `AgentNotFound`."""
        row = await self._find(agent)
        return row.agent_id if row else None

    async def restart(self, agent: str, key: str | None) -> DeploymentView:
        """Asks for new instances, which start beside the old ones. `AgentNotFound`, `NotPublished`.

        The same Idempotency-Key asks once.
        """
        row = await self._find(agent)
        if row is None or not isinstance(await self._agent(row), Restartable):
            raise NotPublished
        if key is None or await self.deployments.remember_restart(row.id, key):
            await self.deployments.raise_epoch(row)
        return (await self._views([row]))[0]

    async def _find(self, agent: str) -> DeploymentRow | None:
        meant = referenced(self.principal, agent)
        if meant is None:
            raise AgentNotFound
        row = await self.deployments.find(meant)
        if row is None and not await self.source.exists(meant):
            raise AgentNotFound
        return row

    async def _agent(self, row: DeploymentRow) -> AnyAgent:
        return _life_of(row, await self.instances.shown([row.id]))

    async def _views(self, rows: Sequence[DeploymentRow]) -> list[DeploymentView]:
        found: dict[UUID, list[InstanceRow]] = defaultdict(list)
        living: list[UUID] = []
        for item in await self.instances.shown([row.id for row in rows]):
            found[item.deployment_id].append(item)
            if item.pid is not None:
                living.append(item.id)
        usage, activity = await asyncio.gather(
            self.launcher.usage(living), self.activity.last_runs([row.agent_id for row in rows])
        )
        return [_view(row, found[row.id], usage, activity.get(row.agent_id)) for row in rows]


def _view(
    row: DeploymentRow, instances: list[InstanceRow], usage: Mapping[UUID, Usage], last_activity_at: datetime | None
) -> DeploymentView:
    canary = None if row.canary is None else CanaryVersion.model_validate(row.canary)
    return DeploymentView(
        id=row.id,
        agent_id=row.agent_id,
        agent=row.name,
        version=row.version,
        canary_version=canary.version if canary else None,
        canary_share=canary.share if canary else 0,
        desired=DesiredState(row.desired),
        state=_state(row, instances),
        lifecycle=_life_of(row, instances).state,
        last_activity_at=last_activity_at,
        launcher=row.launcher,
        instances=[_instance_view(item, usage.get(item.id)) for item in instances],
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _state(row: DeploymentRow, instances: list[InstanceRow]) -> DeploymentState:
    living = [item for item in instances if item.state != InstanceState.STOPPED]
    if row.desired != DesiredState.RUNNING:
        return DeploymentState.STOPPING if living else DeploymentState.STOPPED
    living = [item for item in living if item.lane == STABLE]
    wanted = {item.state for item in living if (item.version, item.epoch) == (row.version, row.epoch)}
    if InstanceState.READY in wanted:
        return DeploymentState.READY
    if InstanceState.FAILED in wanted:
        return DeploymentState.FAILED
    older = any(item.state == InstanceState.READY for item in living)
    return DeploymentState.UPDATING if older else DeploymentState.STARTING


def _life_of(row: DeploymentRow, instances: Sequence[InstanceRow]) -> AnyAgent:
    return agent_of(row.agent_id, observe(DesiredState(row.desired), row.version, row.epoch, instances))


def _instance_view(item: InstanceRow, used: Usage | None) -> InstanceView:
    limits = LimitsSpec.model_validate(item.spec.get("limits", {}))
    return InstanceView(
        id=item.id,
        state=InstanceState(item.state),
        version=item.version,
        lane=item.lane,
        pid=item.pid,
        restarts=item.restarts,
        started_at=item.started_at,
        last_error=item.last_error,
        limits=GivenLimits(cpu=limits.cpu, memory_mb=limits.memory_mb, processes=limits.processes),
        usage=None if used is None else UsageView(**asdict(used)),
    )
