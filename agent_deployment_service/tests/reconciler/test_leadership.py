"""One reconciler at a time."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from agent_deployment_service.reconciler.leadership import lead
from kgents_shared.testing.polling import eventually


class Work:
    """Counts how many do it at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.begun = 0

    async def do(self) -> None:
        self.now += 1
        self.begun += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.Event().wait()
        finally:
            self.now -= 1


async def test_the_second_takes_over_when_the_first_ends_and_never_before(database_url: str):
    work = Work()
    first = asyncio.create_task(lead(database_url, work.do))
    await eventually(lambda: work.begun == 1)
    second = asyncio.create_task(lead(database_url, work.do))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await eventually(lambda: work.begun == 2)
    assert work.most == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_who_loses_the_connection_stops_working(database_url: str, postgres_admin_url: str):
    work = Work()
    leading = asyncio.create_task(lead(database_url, work.do))
    await eventually(lambda: work.begun == 1)
    async with await psycopg.AsyncConnection.connect(postgres_admin_url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
    with pytest.raises(BaseExceptionGroup):
        await asyncio.wait_for(leading, 60)
    assert work.now == 0


async def test_the_fault_of_the_work_ends_the_leadership(database_url: str):
    async def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(ExceptionGroup) as caught:
        await lead(database_url, fail)
    assert caught.group_contains(RuntimeError, match="broken")
