"""A reconciler on a real PostgreSQL, over a launcher that runs nothing; the runtime as what it needs of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from agent_deployment_service.instances.states import LiveInstance
from agent_deployment_service.launchers.memory import InMemoryLauncher
from agent_deployment_service.launchers.protocol import LaunchRequest
from agent_deployment_service.reconciler.directory import RuntimeDirectory
from agent_deployment_service.reconciler.policy import RestartPolicy
from agent_deployment_service.reconciler.reconciler import Pace, Reconciler
from agent_deployment_service.reconciler.store import AgentView, ReconcilerStore
from kgents_shared.contracts.agent_spec import AgentSpec, RuntimeSpec
from kgents_shared.contracts.instances import InstanceRegistration
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.db import Database
from kgents_shared.errors import Unavailable
from kgents_shared.testing.polling import eventually


@dataclass
class InMemoryRegistry:
    """The runtime as the reconciler needs it; `away` makes it refuse. `history` tells what it was asked, in order."""

    known: dict[UUID, InstanceRegistration] = field(default_factory=dict[UUID, InstanceRegistration])
    history: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    away: bool = False

    async def put(self, instance_id: UUID, registration: InstanceRegistration) -> None:
        self._answer()
        self.known[instance_id] = registration
        self.history.append((registration.state, registration.version))

    async def remove(self, instance_id: UUID) -> None:
        self._answer()
        gone = self.known.pop(instance_id, None)
        if gone is not None:
            self.history.append(("removed", gone.version))

    async def registered(self) -> dict[UUID, InstanceRegistration]:
        self._answer()
        return dict(self.known)

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("The runtime is away.")


@dataclass
class InMemoryFlows:
    """Management as the reconciler needs it: every version of an agent of Langflow is this flow; `away` refuses."""

    flow_of_all: dict[str, Any] = field(default_factory=lambda: {"data": {"nodes": [], "edges": []}})
    away: bool = False
    asked: int = 0

    async def flow(self, agent_id: UUID, number: int) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise Unavailable("Management is away.")
        return self.flow_of_all


@dataclass
class Platform:
    """A reconciler with a launcher that runs nothing, and hands to move what is around it."""

    store: ReconcilerStore
    launcher: InMemoryLauncher
    registry: InMemoryRegistry
    reconciler: Reconciler
    flows: InMemoryFlows

    async def want(self, wanted: PublishedAgent) -> bool:
        changed = await self.store.apply(wanted)
        if changed:
            self.reconciler.wake(wanted.agent_id)
        return changed

    async def view(self, agent_id: UUID) -> AgentView:
        found = await self.store.view(agent_id)
        assert found is not None
        return found

    async def states(self, agent_id: UUID) -> list[tuple[str, int]]:
        return [(item.state.value, item.version) for item in (await self.view(agent_id)).instances]

    async def is_serving(self, agent_id: UUID, version: int) -> bool:
        """Exactly one instance, ready, of that version, known to the runtime and running."""
        instances = (await self.view(agent_id)).instances
        if [(item.state.value, item.version) for item in instances] != [("ready", version)]:
            return False
        running = [item for item in self.launcher.running() if item.agent_id == agent_id]
        known = [item for item in self.registry.known.values() if item.agent_id == agent_id]
        return (
            [item.instance_id for item in running] == [instances[0].id]
            and [item.version for item in known] == [version]
            and await self.reconciler.settled()
        )

    async def is_gone(self, agent_id: UUID) -> bool:
        running = [item for item in self.launcher.running() if item.agent_id == agent_id]
        known = [item for item in self.registry.known.values() if item.agent_id == agent_id]
        return await self.states(agent_id) == [] and not running and not known and await self.reconciler.settled()


def published(
    agent_id: UUID | None = None,
    *,
    generation: int = 1,
    version: int = 1,
    desired: DesiredState = DesiredState.RUNNING,
    owner: str = "owner",
    name: str = "greeter",
    prompt: str = "be good",
    replicas: int = 1,
) -> PublishedAgent:
    return PublishedAgent(
        agent_id=agent_id or uuid4(),
        owner_id=owner,
        name=name,
        version=version,
        generation=generation,
        desired=desired,
        spec=AgentSpec(name=name, system_prompt=prompt, runtime=RuntimeSpec(replicas=replicas)),
    )


Published = Callable[..., PublishedAgent]


@pytest.fixture(scope="session", name="published")
def _published() -> Published:
    return published


def becomes_healthy(request: LaunchRequest) -> bool:
    return request.spec.system_prompt != "never healthy"


def make_reconciler(
    store: ReconcilerStore, launcher: InMemoryLauncher, registry: InMemoryRegistry, flows: InMemoryFlows
) -> Reconciler:
    return Reconciler(
        store,
        launcher,
        RuntimeDirectory(registry),
        flows,
        RestartPolicy(limit=4, window_s=60, backoff_s=0.01, backoff_max_s=0.05),
        Pace(health_timeout_s=0.2, drain_grace_s=1, sweep_interval_s=0.2, registry_interval_s=0.2),
    )


@asynccontextmanager
async def open_platform(url: str) -> AsyncGenerator[Platform]:
    """A reconciler over an empty database, looking and sweeping quickly."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("TRUNCATE deployments.deployments CASCADE")
    database = Database(url)
    store = ReconcilerStore(database, "memory")
    launcher = InMemoryLauncher(becomes_healthy)
    registry = InMemoryRegistry()
    flows = InMemoryFlows()
    reconciler = make_reconciler(store, launcher, registry, flows)
    try:
        yield Platform(store, launcher, registry, reconciler, flows)
    finally:
        await launcher.close(1)
        await database.close()


@asynccontextmanager
async def at_work(reconciler: Reconciler) -> AsyncGenerator[None]:
    """Runs the reconciler beside the block."""
    working = asyncio.create_task(reconciler.run())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@pytest.fixture
async def platform(database_url: str) -> AsyncGenerator[Platform]:
    """At work already."""
    async with open_platform(database_url) as made, at_work(made.reconciler):
        yield made


@pytest.fixture
async def resting_platform(database_url: str) -> AsyncGenerator[Platform]:
    """Its reconciler is run by the test."""
    async with open_platform(database_url) as made:
        yield made


TwoLives = Callable[..., Awaitable[tuple[LiveInstance, LiveInstance]]]
OpenPlatform = Callable[[str], AbstractAsyncContextManager[Platform]]
Renew = Callable[[Platform, InMemoryLauncher], None]


@pytest.fixture(scope="session")
def open_empty_platform() -> OpenPlatform:
    return open_platform


@pytest.fixture(scope="session")
def renew() -> Renew:
    """Gives a platform what a new host would have: nothing but the database and the runtime's memory."""

    def give(platform: Platform, launcher: InMemoryLauncher) -> None:
        platform.launcher = launcher
        platform.reconciler = make_reconciler(platform.store, launcher, platform.registry, platform.flows)

    return give


@pytest.fixture
def at_work_twice(renew: Renew) -> TwoLives:
    """Runs until the agent serves, kills everything without a word, starts with a new launcher, runs until it serves
    again; the instance before and after."""

    async def run(platform: Platform, wanted: PublishedAgent) -> tuple[LiveInstance, LiveInstance]:
        found: list[LiveInstance] = []
        for _ in range(2):
            async with at_work(platform.reconciler):
                await platform.want(wanted)
                await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
                found.append((await platform.view(wanted.agent_id)).instances[0])
            renew(platform, InMemoryLauncher())
        return found[0], found[1]

    return run
