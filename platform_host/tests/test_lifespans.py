import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from platform_host.lifespans import RunningService, ServiceStartError


async def test_a_lifespan_is_entered_and_left_by_one_and_the_same_task() -> None:
    tasks: list[asyncio.Task[object] | None] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        tasks.append(asyncio.current_task())
        yield
        tasks.append(asyncio.current_task())

    service = RunningService("tiny", FastAPI(lifespan=lifespan))
    await service.start()
    assert len(tasks) == 1
    await service.stop()
    await service.stop()
    assert tasks[0] is tasks[1]
    assert tasks[0] is not asyncio.current_task()


async def test_a_lifespan_that_fails_to_open_is_told_by_the_services_name() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        raise OSError("no room")
        yield

    service = RunningService("tiny", FastAPI(lifespan=lifespan))
    with pytest.raises(ServiceStartError, match="tiny didn't start: no room") as caught:
        await service.start()
    assert isinstance(caught.value.__cause__, OSError)
    await service.stop()


async def test_a_lifespan_that_fails_to_close_does_not_keep_the_others_from_closing() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        raise OSError("stuck")

    service = RunningService("tiny", FastAPI(lifespan=lifespan))
    await service.start()
    await service.stop()


async def test_a_start_that_was_given_up_closes_what_it_opened() -> None:
    entered, let_in, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        entered.set()
        await let_in.wait()
        yield
        closed.set()

    service = RunningService("tiny", FastAPI(lifespan=lifespan))
    starting = asyncio.create_task(service.start())
    await entered.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    let_in.set()
    await service.stop()
    assert closed.is_set()
