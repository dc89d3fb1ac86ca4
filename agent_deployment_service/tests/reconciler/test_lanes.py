"""What runs beside the stable version: the canary, and versions that are asked for by number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from agent_deployment_service.deployments.repository import DeploymentRepository
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import CanaryVersion, DesiredState, PublishedAgent
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from .conftest import Platform, Published

IDLE = timedelta(minutes=10)


def with_canary(wanted: PublishedAgent, version: int, share: int, prompt: str = "be brave") -> PublishedAgent:
    spec = AgentSpec(name=wanted.name, system_prompt=prompt)
    return wanted.model_copy(update={"canary": CanaryVersion(version=version, share=share, spec=spec)})


def known(platform: Platform) -> list[tuple[str, int, int]]:
    """(lane, version, share) of what the runtime knows."""
    return sorted((item.lane, item.version, item.share) for item in platform.registry.known.values())


async def serves(platform: Platform, *lanes: tuple[str, int, int]) -> bool:
    return known(platform) == sorted(lanes) and await platform.reconciler.settled()


async def want(platform: Platform, agent_id: UUID, version: int) -> bool:
    async with platform.store.database.transaction() as session:
        repository = DeploymentRepository(session)
        row = await repository.of_agent(agent_id)
        assert row is not None
        spec = AgentSpec(name=row.name, system_prompt=f"version {version}")
        done = await repository.want(row, version, spec, IDLE, most=2)
    platform.reconciler.wake(agent_id)
    return done


async def test_a_canary_runs_beside_and_ends_with_its_label(platform: Platform, published: Published):
    first = published()
    await platform.want(with_canary(first, 2, 10))
    await eventually(lambda: serves(platform, ("stable", 1, 0), ("canary", 2, 10)))
    prompts = {item.spec.system_prompt for item in platform.registry.known.values()}
    assert prompts == {"be good", "be brave"}
    await platform.want(published(first.agent_id, generation=2))
    await eventually(lambda: serves(platform, ("stable", 1, 0)))
    assert len(platform.launcher.running()) == 1


async def test_another_share_is_told_without_another_instance(platform: Platform, published: Published):
    first = published()
    await platform.want(with_canary(first, 2, 10))
    await eventually(lambda: serves(platform, ("stable", 1, 0), ("canary", 2, 10)))
    before = set(platform.registry.known)
    await platform.want(with_canary(published(first.agent_id, generation=2), 2, 50))
    await eventually(lambda: serves(platform, ("stable", 1, 0), ("canary", 2, 50)))
    assert set(platform.registry.known) == before


async def test_a_canary_that_never_gets_healthy_leaves_the_stable_version_alone(
    platform: Platform, published: Published
):
    first = published()
    await platform.want(with_canary(first, 2, 10, prompt="never healthy"))

    async def given_up() -> bool:
        return sorted(await platform.states(first.agent_id)) == [("failed", 2), ("ready", 1)]

    await eventually(given_up)
    assert known(platform) == [("stable", 1, 0)]


async def test_a_canary_that_becomes_stable_is_started_there_before_the_old_one_ends(
    platform: Platform, published: Published
):
    first = published()
    await platform.want(with_canary(first, 2, 10))
    await eventually(lambda: serves(platform, ("stable", 1, 0), ("canary", 2, 10)))
    platform.registry.history.clear()
    await platform.want(published(first.agent_id, generation=2, version=2))
    await eventually(lambda: serves(platform, ("stable", 2, 0)))
    ready = platform.registry.history.index(("ready", 2))
    assert ready < platform.registry.history.index(("draining", 1))


async def test_a_version_that_is_asked_for_runs_until_its_time_is_over(
    platform: Platform, published: Published, database_url: str
):
    wanted = published(version=5)
    await platform.want(wanted)
    await eventually(lambda: serves(platform, ("stable", 5, 0)))
    assert await want(platform, wanted.agent_id, 3)
    await eventually(lambda: serves(platform, ("3", 3, 0), ("stable", 5, 0)))
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE deployments.wanted_versions SET wanted_until = now()")
    await eventually(lambda: serves(platform, ("stable", 5, 0)))


async def test_a_version_that_gets_a_label_needs_no_lane_of_its_own(platform: Platform, published: Published):
    wanted = published(version=5)
    await platform.want(wanted)
    await eventually(lambda: serves(platform, ("stable", 5, 0)))
    assert await want(platform, wanted.agent_id, 3)
    await eventually(lambda: serves(platform, ("3", 3, 0), ("stable", 5, 0)))
    await platform.want(with_canary(published(wanted.agent_id, generation=2, version=5), 3, 0))
    await eventually(lambda: serves(platform, ("canary", 3, 0), ("stable", 5, 0)))


async def test_only_so_many_versions_run_because_they_were_asked_for(
    platform: Platform, published: Published, database_url: str
):
    wanted = published(version=5)
    await platform.want(wanted)
    assert [await want(platform, wanted.agent_id, version) for version in (1, 2, 2, 3)] == [True, True, True, False]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE deployments.wanted_versions SET wanted_until = now() WHERE version = 1")
    assert await want(platform, wanted.agent_id, 3)


async def test_a_stopped_agent_runs_in_no_lane(platform: Platform, published: Published):
    first = published()
    await platform.want(with_canary(first, 2, 10))
    assert await want(platform, first.agent_id, 3)
    await eventually(lambda: serves(platform, ("3", 3, 0), ("canary", 2, 10), ("stable", 1, 0)))
    stopped = with_canary(published(first.agent_id, generation=2, desired=DesiredState.STOPPED), 2, 10)
    await platform.want(stopped)
    await eventually(lambda: platform.is_gone(first.agent_id))
