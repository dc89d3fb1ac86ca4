"""Versions beside the labelled ones: they run because somebody talks to them by number, and end when nobody does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from agent_deployment_service.clients import AgentSource
from agent_deployment_service.deployments.repository import DeploymentRepository
from agent_deployment_service.errors import AgentNotFound, NotPublished, TooManyVersions, VersionNotFound
from kgents_shared.contracts.published_agent import CanaryVersion, DesiredState


@dataclass(frozen=True, slots=True)
class OnDemand:
    """How long a version stays after it was last asked for, and how many of one agent may."""

    idle: timedelta
    most: int


@dataclass(frozen=True, slots=True)
class WantedVersions:
    """For the runtime alone, within one transaction that its caller commits."""

    deployments: DeploymentRepository
    source: AgentSource
    on_demand: OnDemand

    async def want(self, agent_id: UUID, version: int) -> None:
        """Sees to it that a version runs from now on for a while, as it does anyway where it has a label.

        `AgentNotFound`, `NotPublished` for an agent that is stopped, `VersionNotFound`, `TooManyVersions`.
        """
        row = await self.deployments.of_agent(agent_id)
        if row is None or row.desired == DesiredState.DELETED:
            raise AgentNotFound
        if row.desired != DesiredState.RUNNING:
            raise NotPublished
        canary = None if row.canary is None else CanaryVersion.model_validate(row.canary).version
        if version in (row.version, canary):
            return
        if await self.deployments.want_longer(row.id, version, self.on_demand.idle):
            return
        spec = await self.source.version(agent_id, version)
        if spec is None:
            raise VersionNotFound
        if not await self.deployments.want(row, version, spec, self.on_demand.idle, self.on_demand.most):
            raise TooManyVersions(self.on_demand.most)
