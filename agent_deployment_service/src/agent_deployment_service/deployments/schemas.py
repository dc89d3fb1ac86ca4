"""Answers of the deployments API."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from agent_deployment_service.instances.states import InstanceState
from kgents_shared.contracts.deployments import DeploymentState
from kgents_shared.contracts.published_agent import DesiredState


class InstanceView(BaseModel):
    """One instance. `pid` is a process of the platform's machine, `last_error` why it last ended by itself.

    `lane` says whom it answers: `stable` for who asks for no version, `canary`, or the number that was asked for.
    """

    id: UUID
    state: InstanceState
    version: int
    lane: str
    pid: int | None
    restarts: int
    started_at: datetime | None
    last_error: str | None


class DeploymentView(BaseModel):
    """What should run of an agent, and what does. `canary_share` is a percentage of new conversations."""

    id: UUID
    agent_id: UUID
    agent: str
    version: int | None
    canary_version: int | None
    canary_share: int
    desired: DesiredState
    state: DeploymentState
    launcher: str
    instances: list[InstanceView]
    created_at: datetime
    updated_at: datetime


class ProcessView(BaseModel):
    """One process that the launcher runs; `role` is `forkserver` or `worker`."""

    role: str
    pid: int
    agent: str | None
    instance_id: UUID | None
    state: str


class ProtectionView(BaseModel):
    """One wall around the instances and whether it stands."""

    name: str
    on: bool
    detail: str


class ProcessesView(BaseModel):
    """What the launcher runs and how it is shut in."""

    launcher: str
    processes: list[ProcessView]
    protections: list[ProtectionView]
