"""Answers of the deployments API."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from agent_deployment_service.deployments.lifecycle import LifecycleState
from agent_deployment_service.instances.states import InstanceState
from kgents_shared.contracts.deployments import DeploymentState
from kgents_shared.contracts.published_agent import DesiredState


class UsageView(BaseModel):
    """What an instance uses: processor seconds since its start, memory and processes now; null where nothing says."""

    cpu_s: float
    memory_mb: float | None
    processes: int | None


class GivenLimits(BaseModel):
    """What an instance may use."""

    cpu: float
    memory_mb: int
    processes: int


class InstanceView(BaseModel):
    """One instance. `pid` is a process of the platform's machine, `last_error` why it last ended by itself.

    `lane` says whom it answers: `stable` for who asks for no version, `canary`, or the number that was asked for.
    `usage` is null for one that doesn't run.
    """

    id: UUID
    state: InstanceState
    version: int
    lane: str
    pid: int | None
    restarts: int
    started_at: datetime | None
    last_error: str | None
    limits: GivenLimits
    usage: UsageView | None


class DeploymentView(BaseModel):
    """What should run of an agent, and what does. `canary_share` is a percentage of new conversations.

    `lifecycle` is what the agent is to who talks to it. `last_activity_at` is when its newest run began, null where it
    had none or the runtime can't be asked.
    """

    id: UUID
    agent_id: UUID
    agent: str
    version: int | None
    canary_version: int | None
    canary_share: int
    desired: DesiredState
    state: DeploymentState
    lifecycle: LifecycleState
    last_activity_at: datetime | None
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
