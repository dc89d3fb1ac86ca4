"""A host that dies and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from agent_deployment_service.instances.states import LiveInstance
from agent_deployment_service.launchers.memory import InMemoryLauncher
from agent_deployment_service.reconciler.directory import RuntimeDirectory
from agent_deployment_service.reconciler.policy import RestartPolicy
from agent_deployment_service.reconciler.reconciler import Pace, Reconciler
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from ..conftest import Platform

TwoLives = Callable[..., Awaitable[tuple[LiveInstance, LiveInstance]]]


@pytest.fixture
def at_work_twice() -> TwoLives:
    """Runs until the agent serves, kills everything without a word, starts with a new launcher, runs until it serves
    again; the instance before and after."""

    async def run(platform: Platform, wanted: PublishedAgent) -> tuple[LiveInstance, LiveInstance]:
        found: list[LiveInstance] = []
        for _ in range(2):
            working = asyncio.create_task(platform.reconciler.run())
            await platform.want(wanted)
            await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
            found.append((await platform.view(wanted.agent_id)).instances[0])
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            platform.launcher = InMemoryLauncher()
            platform.reconciler = Reconciler(
                platform.store,
                platform.launcher,
                RuntimeDirectory(platform.registry),
                RestartPolicy(limit=4, window_s=60, backoff_s=0.01, backoff_max_s=0.05),
                Pace(health_timeout_s=1, drain_grace_s=1, sweep_interval_s=0.2, registry_interval_s=0.2),
            )
        return found[0], found[1]

    return run
