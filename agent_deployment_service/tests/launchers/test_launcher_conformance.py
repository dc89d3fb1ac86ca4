"""What every launcher must do. A new launcher adds its bench to `conftest.bench` and passes all of this."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from agent_deployment_service.launchers.protocol import AlreadyLaunchedError, ExitReason, LaunchError

if TYPE_CHECKING:
    from .conftest import Bench


async def test_a_launched_instance_runs_and_answers(bench: Bench):
    asked = bench.request("greeter")
    launched = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    assert launched.instance_id == asked.instance_id
    assert launched.agent_name == "greeter"
    assert launched.endpoint_url.startswith(("unix:/", "http://"))
    assert list(bench.launcher.running()) == [launched]
    assert await bench.answers(launched)


async def test_a_second_launch_of_the_same_instance_is_refused_and_harms_nothing(bench: Bench):
    asked = bench.request()
    launched = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    with pytest.raises(AlreadyLaunchedError):
        await bench.launcher.launch(asked)
    assert await bench.answers(launched)
    assert len(bench.launcher.running()) == 1


async def test_many_instances_start_at_once_and_are_apart(bench: Bench):
    launched = await asyncio.gather(*(bench.launcher.launch(bench.request(f"a{n}")) for n in range(6)))
    await asyncio.gather(*(bench.launcher.wait_healthy(item.instance_id, 20) for item in launched))
    assert len({item.endpoint_url for item in launched}) == 6
    assert {item.instance_id for item in bench.launcher.running()} == {item.instance_id for item in launched}


async def test_what_an_instance_uses_is_told_while_it_runs(bench: Bench):
    launched = await bench.launcher.launch(bench.request())
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    used = await bench.launcher.usage([launched.instance_id, uuid4()])
    assert set(used) == {launched.instance_id}
    assert used[launched.instance_id].cpu_s >= 0
    await bench.launcher.stop(launched.instance_id, 5)
    assert await bench.launcher.usage([launched.instance_id]) == {}


async def test_stopping_ends_the_instance_and_tells_that_it_was_asked_for(bench: Bench):
    launched = await bench.launcher.launch(bench.request())
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    await bench.launcher.stop(launched.instance_id, 5)
    ended = await asyncio.wait_for(bench.launcher.next_exit(), 60)
    assert (ended.instance_id, ended.reason) == (launched.instance_id, ExitReason.STOPPED)
    assert list(bench.launcher.running()) == []
    assert not await bench.answers(launched)


async def test_stopping_an_unknown_or_ended_instance_is_no_fault(bench: Bench):
    await bench.launcher.stop(uuid4(), 1)
    launched = await bench.launcher.launch(bench.request())
    await bench.launcher.stop(launched.instance_id, 0)
    await bench.launcher.stop(launched.instance_id, 0)
    assert list(bench.launcher.running()) == []


async def test_an_instance_that_ends_by_itself_is_told_once(bench: Bench):
    first = await bench.launcher.launch(bench.request("first"))
    second = await bench.launcher.launch(bench.request("second"))
    await bench.launcher.wait_healthy(first.instance_id, 20)
    await bench.crash(first)
    ended = await asyncio.wait_for(bench.launcher.next_exit(), 60)
    assert (ended.instance_id, ended.reason) == (first.instance_id, ExitReason.EXITED)
    assert ended.detail
    assert list(bench.launcher.running()) == [second]
    await bench.launcher.stop(second.instance_id, 5)
    assert (await asyncio.wait_for(bench.launcher.next_exit(), 60)).instance_id == second.instance_id


async def test_an_ended_instance_can_be_launched_again(bench: Bench):
    asked = bench.request()
    launched = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    await bench.crash(launched)
    await asyncio.wait_for(bench.launcher.next_exit(), 60)
    again = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(again.instance_id, 20)
    assert await bench.answers(again)


async def test_waiting_for_the_health_of_what_never_gets_healthy_ends_in_time(bench: Bench):
    launched = await bench.launcher.launch(bench.request(behaviour="never healthy"))
    with pytest.raises(LaunchError, match="not healthy within"):
        await bench.launcher.wait_healthy(launched.instance_id, 0.2)


async def test_waiting_for_the_health_of_what_ends_says_so(bench: Bench):
    launched = await bench.launcher.launch(bench.request(behaviour="never healthy"))
    waiting = asyncio.create_task(bench.launcher.wait_healthy(launched.instance_id, 20))
    await bench.crash(launched)
    with pytest.raises(LaunchError, match="ended before"):
        await waiting


async def test_what_an_instance_wrote_can_be_read_after_its_end(bench: Bench):
    asked = bench.request("writer")
    launched = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    await bench.launcher.stop(launched.instance_id, 5)
    assert await bench.launcher.logs(asked.agent_id, 10) == ["worker of writer listens"]
    assert await bench.launcher.logs(uuid4(), 10) == []
    await bench.launcher.forget(asked.agent_id)
    assert await bench.launcher.logs(asked.agent_id, 10) == []


async def test_closing_ends_everything_and_refuses_more(bench: Bench):
    launched = [await bench.launcher.launch(bench.request(f"a{n}")) for n in range(3)]
    await bench.launcher.close(5)
    assert list(bench.launcher.running()) == []
    for item in launched:
        assert not await bench.answers(item)
    with pytest.raises(LaunchError):
        await bench.launcher.launch(bench.request())
