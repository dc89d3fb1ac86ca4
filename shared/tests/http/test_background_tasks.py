"""Tasks beside the requests: they come back after a failure and are gone when the block ends."""

import asyncio

from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.polling import eventually


async def test_a_task_that_fails_is_started_again():
    starts = 0

    async def fails_twice() -> None:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise OSError("the far side is away")
        await asyncio.Event().wait()

    async with BackgroundTasks() as tasks:
        tasks.start("fails twice", fails_twice)
        await eventually(lambda: starts == 3)


async def test_the_end_of_the_block_ends_each_task():
    ended: list[str] = []

    async def endless(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with BackgroundTasks() as tasks:
        tasks.start("one", lambda: endless("one"))
        tasks.start("two", lambda: endless("two"))
        await asyncio.sleep(0)
    assert sorted(ended) == ["one", "two"]


async def test_a_task_whose_library_loses_a_cancellation_is_ended_all_the_same():
    lost = asyncio.Event()

    async def loses_the_first_cancellation() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        async with BackgroundTasks() as tasks:
            tasks.start("deaf", loses_the_first_cancellation)
            await asyncio.sleep(0)
    assert lost.is_set()
