"""Desired = actual, whatever happens on the way: events dropped, doubled and reordered, crashes, dead hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from agent_deployment_service.launchers.memory import InMemoryLauncher
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from .conftest import OpenPlatform, Platform, Published, Renew

T = TypeVar("T")
AGENTS = st.integers(0, 2)


@dataclass(frozen=True)
class World:
    """What the machine is made of."""

    database_url: str
    open_platform: OpenPlatform
    published: Published
    renew: Renew


class Machine(RuleBasedStateMachine):
    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.platform: Platform = self.wait(
            self.stack.enter_async_context(self.world.open_platform(self.world.database_url))
        )
        self.working: asyncio.Task[None] | None = None
        self.ids: list[UUID] = [uuid4() for _ in range(3)]
        self.desired: dict[UUID, PublishedAgent] = {}
        self.undelivered: list[PublishedAgent] = []

    def wait(self, coroutine: Awaitable[T]) -> T:
        async def run() -> T:
            return await coroutine

        return self.runner.run(run())

    @initialize()
    def start(self) -> None:
        self.wait(self._start())

    async def _start(self) -> None:
        self.working = asyncio.create_task(self.platform.reconciler.run())

    async def _end(self) -> None:
        if self.working is not None:
            self.working.cancel()
            await asyncio.gather(self.working, return_exceptions=True)

    @rule(agent=AGENTS, desired=st.sampled_from(list(DesiredState)), version=st.integers(1, 3))
    def decide(self, agent: int, desired: DesiredState, version: int) -> None:
        agent_id = self.ids[agent]
        known = self.desired.get(agent_id)
        if known is not None and known.desired is DesiredState.DELETED:
            return
        generation = known.generation + 1 if known else 1
        item = self.world.published(agent_id, generation=generation, version=version, desired=desired, name=f"a{agent}")
        self.desired[agent_id] = item
        self.undelivered.append(item)

    @rule(data=st.data())
    def deliver_any_of_them(self, data: Any) -> None:
        if self.undelivered:
            self.wait(self.platform.want(data.draw(st.sampled_from(self.undelivered))))

    @rule(data=st.data())
    def drop_one(self, data: Any) -> None:
        if self.undelivered:
            self.undelivered.remove(data.draw(st.sampled_from(self.undelivered)))

    @rule(data=st.data())
    def crash_one(self, data: Any) -> None:
        running = list(self.platform.launcher.running())
        if running:
            chosen = data.draw(st.integers(0, len(running) - 1))
            self.wait(self._crash(running[chosen].instance_id))

    async def _crash(self, instance_id: UUID) -> None:
        self.platform.launcher.crash(instance_id)

    @rule()
    def let_things_happen(self) -> None:
        self.wait(asyncio.sleep(0.01))

    @rule()
    def runtime_forgets(self) -> None:
        self.platform.registry.known.clear()

    @rule(away=st.booleans())
    def runtime_comes_and_goes(self, away: bool) -> None:
        self.platform.registry.away = away

    @rule()
    def host_dies_and_comes_back(self) -> None:
        self.wait(self._end())
        self.world.renew(self.platform, InMemoryLauncher())
        self.wait(self._start())

    @invariant()
    def never_two_of_the_same_version(self) -> None:
        seen = [(item.agent_id, item.instance_id) for item in self.platform.launcher.running()]
        versions = [
            (agent_id, self.platform.launcher.request_of(instance_id).version) for agent_id, instance_id in seen
        ]
        assert len(versions) == len(set(versions))

    def teardown(self) -> None:
        try:
            self.wait(self._converge())
        finally:
            self.wait(self._end())
            self.wait(self.stack.aclose())
            self.runner.close()

    async def _converge(self) -> None:
        self.platform.registry.away = False
        began = await self.platform.store.listing_began()
        changed = await self.platform.store.apply_listing(list(self.desired.values()), began)
        for agent_id in changed:
            self.platform.reconciler.wake(agent_id)
        for item in self.desired.values():
            await eventually(lambda item=item: self._is_right(item), 20, describe=f"{item.desired} {item.version}")
        assert {item.agent_id for item in self.platform.launcher.running()} == {
            agent_id for agent_id, item in self.desired.items() if item.desired is DesiredState.RUNNING
        }

    async def _is_right(self, item: PublishedAgent) -> bool:
        if await self.platform.store.view(item.agent_id) is None:
            return False
        if item.desired is DesiredState.RUNNING:
            return await self.platform.is_serving(item.agent_id, item.version or 0)
        return await self.platform.is_gone(item.agent_id)


def test_desired_becomes_actual_over_dropped_doubled_and_reordered_events(
    database_url: str, published: Published, open_empty_platform: OpenPlatform, renew: Renew
):
    Machine.world = World(database_url, open_empty_platform, published, renew)
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True)
    )
