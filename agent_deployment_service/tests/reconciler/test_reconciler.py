"""The reconciler on a real database, over a launcher that runs nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_deployment_service.launchers.protocol import LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import DesiredState
from kgents_shared.testing.polling import eventually

if TYPE_CHECKING:
    from .conftest import Platform, Published, TwoLives


async def test_a_published_agent_is_started_and_registered_when_it_is_healthy(platform: Platform, published: Published):
    wanted = published(version=3)
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 3))
    instance = (await platform.view(wanted.agent_id)).instances[0]
    known = platform.registry.known[instance.id]
    assert (known.owner_id, known.agent_name, known.version) == ("owner", "greeter", 3)
    assert known.token_hash == instance.token_hash
    assert platform.launcher.request_of(instance.id).token != instance.token_hash


async def test_the_old_version_serves_until_the_new_one_is_registered_and_is_then_drained(
    platform: Platform, published: Published
):
    first = published()
    await platform.want(first)
    await eventually(lambda: platform.is_serving(first.agent_id, 1))
    await platform.want(published(first.agent_id, generation=2, version=2))
    await eventually(lambda: platform.is_serving(first.agent_id, 2))
    assert platform.registry.history == [("ready", 1), ("ready", 2), ("draining", 1), ("removed", 1)]


async def test_as_many_run_side_by_side_as_are_asked_for_and_the_old_end_when_all_new_ones_serve(
    platform: Platform, published: Published
):
    first = published(replicas=3)
    await platform.want(first)

    async def serving(version: int, wanted: int) -> bool:
        ready = [item for item in (await platform.view(first.agent_id)).instances if item.state == "ready"]
        known = [item.version for item in platform.registry.known.values() if item.state == "ready"]
        return [item.version for item in ready] == known == [version] * wanted

    await eventually(lambda: serving(1, 3))
    lost = (await platform.view(first.agent_id)).instances[1]
    platform.launcher.crash(lost.id)

    async def only_it_was_started_again() -> bool:
        restarts = {item.id: item.restarts for item in (await platform.view(first.agent_id)).instances}
        return restarts.pop(lost.id) == 1 and set(restarts.values()) == {0} and await serving(1, 3)

    await eventually(only_it_was_started_again)
    await platform.want(published(first.agent_id, generation=2, version=2, replicas=2))
    await eventually(lambda: serving(2, 2))
    history = platform.registry.history
    assert history.index(("draining", 1)) > [place for place, item in enumerate(history) if item == ("ready", 2)][1]
    await platform.want(published(first.agent_id, generation=3, version=2, replicas=1))
    await eventually(lambda: serving(2, 1))


async def test_an_old_version_keeps_serving_when_the_new_one_never_gets_healthy(
    platform: Platform, published: Published
):
    first = published()
    await platform.want(first)
    await eventually(lambda: platform.is_serving(first.agent_id, 1))
    await platform.want(published(first.agent_id, generation=2, version=2, prompt="never healthy"))

    async def given_up() -> bool:
        return await platform.states(first.agent_id) == [("ready", 1), ("failed", 2)]

    await eventually(given_up)
    failed = (await platform.view(first.agent_id)).instances[1]
    assert failed.last_error == "the worker was not healthy within 0.2 s"
    assert [item.version for item in platform.registry.known.values()] == [1]


async def test_a_failed_version_is_dropped_when_another_is_published(platform: Platform, published: Published):
    bad = published(prompt="never healthy")
    await platform.want(bad)

    async def given_up() -> bool:
        return await platform.states(bad.agent_id) == [("failed", 1)]

    await eventually(given_up)
    await platform.want(published(bad.agent_id, generation=2, version=2))
    await eventually(lambda: platform.is_serving(bad.agent_id, 2))


async def test_stopping_drains_what_runs_and_publishing_again_starts_it(platform: Platform, published: Published):
    wanted = published()
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
    await platform.want(published(wanted.agent_id, generation=2, desired=DesiredState.STOPPED))
    await eventually(lambda: platform.is_gone(wanted.agent_id))
    assert platform.registry.history[-2:] == [("draining", 1), ("removed", 1)]
    await platform.want(published(wanted.agent_id, generation=3))
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))


async def test_a_deleted_agent_is_torn_down_with_its_logs_and_stays_down(platform: Platform, published: Published):
    wanted = published()
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
    await platform.want(published(wanted.agent_id, generation=2, desired=DesiredState.DELETED))
    await eventually(lambda: platform.is_gone(wanted.agent_id))

    async def forgotten() -> bool:
        return await platform.launcher.logs(wanted.agent_id, 10) == []

    await eventually(forgotten)
    assert not await platform.want(wanted)
    assert await platform.is_gone(wanted.agent_id)


async def test_a_late_event_of_an_older_generation_changes_nothing(platform: Platform, published: Published):
    wanted = published(generation=5, version=2)
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 2))
    assert not await platform.want(published(wanted.agent_id, generation=4, desired=DesiredState.DELETED))
    assert not await platform.want(wanted)
    assert await platform.is_serving(wanted.agent_id, 2)


async def test_a_crashed_instance_is_started_again_with_a_new_token(platform: Platform, published: Published):
    wanted = published()
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
    before = (await platform.view(wanted.agent_id)).instances[0]
    platform.launcher.crash(before.id)

    async def again() -> bool:
        instances = (await platform.view(wanted.agent_id)).instances
        return bool(instances) and instances[0].restarts == 1 and await platform.is_serving(wanted.agent_id, 1)

    await eventually(again)
    after = (await platform.view(wanted.agent_id)).instances[0]
    assert after.id == before.id
    assert after.token_hash != before.token_hash
    assert after.last_error == "exited"
    assert platform.registry.known[after.id].token_hash == after.token_hash


async def test_an_instance_that_keeps_crashing_is_given_up_with_its_last_error(
    platform: Platform, published: Published
):
    wanted = published()
    await platform.want(wanted)

    async def crash_if_running() -> bool:
        for item in list(platform.launcher.running()):
            platform.launcher.crash(item.instance_id)
        return await platform.states(wanted.agent_id) == [("failed", 1)]

    await eventually(crash_if_running)
    failed = (await platform.view(wanted.agent_id)).instances[0]
    assert (failed.recent_crashes, failed.restarts, failed.last_error) == (4, 3, "exited")
    await eventually(platform.reconciler.settled)
    assert platform.registry.known == {}


async def test_without_the_runtime_agents_start_all_the_same_and_are_registered_when_it_is_back(
    platform: Platform, published: Published
):
    platform.registry.away = True
    wanted = published()
    await platform.want(wanted)

    async def ready() -> bool:
        return await platform.states(wanted.agent_id) == [("ready", 1)]

    await eventually(ready)
    assert platform.registry.known == {}
    platform.registry.away = False
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))


async def test_a_runtime_that_forgot_everything_is_told_again(platform: Platform, published: Published):
    wanted = published()
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
    platform.registry.known.clear()
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))


async def test_a_registration_that_belongs_to_nothing_is_removed(platform: Platform, published: Published):
    wanted = published()
    await platform.want(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
    stray = uuid4()
    registration = next(iter(platform.registry.known.values()))
    platform.registry.known[stray] = registration.model_copy(update={"agent_id": uuid4()})
    await eventually(lambda: stray not in platform.registry.known)


async def test_after_a_restart_of_the_host_nothing_old_is_trusted_and_everything_is_started_anew(
    resting_platform: Platform, published: Published, at_work_twice: TwoLives
):
    wanted = published()
    before, after = await at_work_twice(resting_platform, wanted)
    assert before.id != after.id
    assert after.restarts == 0


async def test_what_runs_for_nobody_is_ended_by_the_sweep(platform: Platform, published: Published):
    stray = LaunchRequest(uuid4(), uuid4(), "stray", 1, AgentSpec(name="stray", system_prompt="x"), "t")
    await platform.launcher.launch(stray)
    await eventually(lambda: not platform.launcher.running())


async def test_a_wake_up_that_was_never_heard_is_healed_by_the_sweep(platform: Platform, published: Published):
    wanted = published()
    await platform.store.apply(wanted)
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))


async def test_many_agents_are_started_at_once(platform: Platform, published: Published):
    wanted = [published(name=f"a{n}") for n in range(20)]
    await asyncio.gather(*(platform.want(item) for item in wanted))

    async def all_serve() -> bool:
        return all([await platform.is_serving(item.agent_id, 1) for item in wanted])

    await eventually(all_serve, 20)
    assert len(platform.launcher.running()) == 20


async def test_a_flow_is_read_before_its_agent_is_started_and_management_that_is_away_is_no_crash(
    platform: Platform, published: Published
):
    wanted = published().model_copy(update={"spec": flow_spec()})
    platform.flows.away = True
    await platform.want(wanted)
    await eventually(lambda: platform.flows.asked > 1, describe="it is asked again")
    assert await platform.states(wanted.agent_id) == []
    platform.flows.away = False
    await eventually(lambda: platform.is_serving(wanted.agent_id, 1))
    (launched,) = platform.launcher.running()
    assert platform.launcher.request_of(launched.instance_id).flow == platform.flows.flow_of_all


async def test_flows_that_wait_for_lfx_to_load_hold_nobody_up_and_may_be_deleted_meanwhile(
    platform: Platform, published: Published
):
    platform.launcher.flows_load.clear()
    flows = [published(name=f"f{n}").model_copy(update={"spec": flow_spec()}) for n in range(9)]
    await asyncio.gather(*(platform.want(item) for item in flows))
    await eventually(lambda: platform.flows.asked == len(flows), describe="each flow is about to be launched")
    chat = published(name="chat")
    await platform.want(chat)

    async def chat_is_ready() -> bool:
        return await platform.states(chat.agent_id) == [("ready", 1)]

    await eventually(chat_is_ready)
    await platform.reconciler.sweep()
    unwanted, *wanted = flows
    await platform.want(published(unwanted.agent_id, generation=2, desired=DesiredState.DELETED))
    assert [await platform.states(item.agent_id) for item in wanted] == [[("starting", 1)]] * len(wanted)
    platform.launcher.flows_load.set()

    async def as_desired() -> bool:
        return await platform.is_gone(unwanted.agent_id) and all(
            [await platform.is_serving(item.agent_id, 1) for item in wanted]
        )

    await eventually(as_desired)


def flow_spec() -> AgentSpec:
    runtime = {"shell": "Langflow", "flow": f"sha256:{'0' * 64}"}
    return AgentSpec.model_validate({"name": "greeter", "system_prompt": "A flow.", "runtime": runtime})
