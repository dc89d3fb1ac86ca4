"""One reconciler at a time: a PostgreSQL advisory lock, held by a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg
import structlog

_LOCK: Final = "kgents.deployments.reconciler"
_ASK_EVERY_S: Final = 0.5
_CHECK_EVERY_S: Final = 1.0

_log = structlog.get_logger(__name__)


class LeadershipLostError(Exception):
    """The connection that held the lock is gone; somebody else may reconcile now."""


async def lead(database_url: str, work: Callable[[], Awaitable[None]]) -> None:
    """Waits for the lock, then does `work` for as long as it is held.

    Raises `LeadershipLostError` or `psycopg.OperationalError` where the database goes away; call it again then.
    """
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True, connect_timeout=5) as connection:
        await _lock(connection)
        _log.info("reconciler_leads")
        async with asyncio.TaskGroup() as group:
            working = group.create_task(_call(work))
            holding = group.create_task(_hold(connection))
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            holding.cancel()
            working.cancel()


async def _call(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _hold(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    while True:
        await asyncio.sleep(_CHECK_EVERY_S)
        try:
            async with asyncio.timeout(5):
                await connection.execute("SELECT 1")
        except (psycopg.Error, TimeoutError) as error:
            raise LeadershipLostError(str(error)) from error


async def _lock(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Asks again and again rather than waits inside the database, where a waiting statement would outlive us."""
    while True:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (_LOCK,))
        row = await cursor.fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(_ASK_EVERY_S)
