"""The queue of agents to look at."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from agent_deployment_service.reconciler.work_queue import WorkQueue
from kgents_shared.testing.polling import eventually


async def test_an_agent_is_queued_once_however_often_it_is_added():
    queue, key = WorkQueue(), uuid4()
    queue.add(key)
    queue.add(key)
    assert await queue.take() == key
    queue.done(key, retry=False)
    assert queue.idle


async def test_an_agent_added_during_its_look_is_looked_at_again_afterwards_and_not_beside_it():
    queue, key = WorkQueue(), uuid4()
    queue.add(key)
    await queue.take()
    queue.add(key)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.02)
    queue.done(key, retry=False)
    assert await asyncio.wait_for(queue.take(), 1) == key


async def test_a_failed_look_is_repeated_after_a_pause():
    queue, key = WorkQueue(), uuid4()
    queue.add(key)
    await queue.take()
    queue.done(key, retry=True)
    assert queue.idle
    assert await asyncio.wait_for(queue.take(), 60) == key


async def test_of_two_appointments_the_earlier_stands():
    queue, key = WorkQueue(), uuid4()
    queue.add_after(key, 60)
    queue.add_after(key, 0.01)
    queue.add_after(key, 60)
    assert await asyncio.wait_for(queue.take(), 60) == key
    queue.done(key, retry=False)
    queue.close()


async def test_closing_cancels_the_appointments():
    queue, key = WorkQueue(), uuid4()
    queue.add_after(key, 0.01)
    queue.close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.05)


async def test_a_waiting_taker_is_served_as_soon_as_something_comes():
    queue, key = WorkQueue(), uuid4()
    taking = asyncio.create_task(queue.take())
    await eventually(lambda: not taking.done())
    queue.add(key)
    assert await asyncio.wait_for(taking, 60) == key
