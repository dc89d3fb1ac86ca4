"""Calls on few threads: servers take turns, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from tool_registry_service.wasm_tools.faults import ServersBusy
from tool_registry_service.wasm_tools.turns import Turns


async def test_servers_take_turns_however_many_calls_one_has() -> None:
    turns, order = Turns(1, max_waiting=10), list[str]()
    busy, calm = uuid4(), uuid4()

    async def call(server_id: UUID, name: str) -> None:
        await turns.take(server_id, 5)
        order.append(name)
        await asyncio.sleep(0)
        turns.give_back()

    await turns.take(busy, 5)
    calls = [call(busy, f"busy {number}") for number in range(4)] + [call(calm, "calm 0"), call(calm, "calm 1")]
    tasks = [asyncio.create_task(one) for one in calls]
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.gather(*tasks)
    assert order == ["busy 0", "calm 0", "busy 1", "calm 1", "busy 2", "busy 3"]


async def test_who_waits_too_long_is_told_and_takes_no_slot() -> None:
    turns, server_id = Turns(1, max_waiting=1), uuid4()
    await turns.take(server_id, 5)
    with pytest.raises(ServersBusy, match=r"within 0\.01 s"):
        await turns.take(server_id, 0.01)
    turns.give_back()
    await turns.take(server_id, 0.01)


async def test_only_so_many_calls_of_a_server_wait() -> None:
    turns, server_id = Turns(1, max_waiting=1), uuid4()
    await turns.take(server_id, 5)
    waiting = asyncio.create_task(turns.take(server_id, 5))
    await asyncio.sleep(0)
    with pytest.raises(ServersBusy, match="1 calls of this server wait"):
        await turns.take(server_id, 5)
    turns.give_back()
    await waiting


async def test_a_slot_that_came_to_one_who_left_goes_to_the_next() -> None:
    turns = Turns(1, max_waiting=5)
    await turns.take(uuid4(), 5)
    gone, stays = asyncio.create_task(turns.take(uuid4(), 5)), asyncio.create_task(turns.take(uuid4(), 5))
    await asyncio.sleep(0)
    turns.give_back()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await stays
    assert gone.cancelled()
