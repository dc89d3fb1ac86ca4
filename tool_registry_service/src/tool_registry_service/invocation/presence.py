"""Whether a process that began a call still lives, told by PostgreSQL.

Each process holds an advisory lock on a connection of its own. When it dies, its connection does, and the lock is
free at once; no clock and no heartbeat is involved.
"""

import asyncio
from uuid import UUID

import psycopg
import structlog

from kgents_shared.db import HotPool, new_id
from kgents_shared.errors import Unavailable

_log = structlog.get_logger("kgents.tools.presence")
_CHECK_EVERY_S = 1.0
_HOLD = "SELECT pg_try_advisory_lock(hashtext('kgents.tools.runner'), hashtext(%s))"
_FREE = "SELECT pg_try_advisory_xact_lock(hashtext('kgents.tools.runner'), hashtext(%s))"


class RunnerPresence:
    """This process's sign of life, and the question after another's."""

    def __init__(self, url: str, pool: HotPool) -> None:
        self._url = url
        self._pool = pool
        self._held: UUID | None = None
        self._is_held = asyncio.Event()

    async def run(self) -> None:
        """Hold the lock, for ever; ends with an error when the connection is lost, and is started again."""
        runner = new_id()
        try:
            async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                await connection.execute(_HOLD, (str(runner),))
                self._held = runner
                self._is_held.set()
                while True:
                    await asyncio.sleep(_CHECK_EVERY_S)
                    await connection.execute("SELECT 1")
        finally:
            self._held = None
            self._is_held.clear()

    async def runner(self) -> UUID:
        """The id under which this process makes calls.

        Raises:
            Unavailable: the database is away, so that no call could be recorded.
        """
        if self._held is None:
            try:
                async with asyncio.timeout(5):
                    await self._is_held.wait()
            except TimeoutError as error:
                raise Unavailable("Tool calls can't be recorded right now.", code="database_away") from error
        if self._held is None:
            raise Unavailable("Tool calls can't be recorded right now.", code="database_away")
        return self._held

    async def is_alive(self, runner: UUID) -> bool:
        """Whether the process that made calls as `runner` still lives."""
        if runner == self._held:
            return True
        async with self._pool.connection() as connection, connection.transaction():
            row = await (await connection.execute(_FREE, (str(runner),))).fetchone()
        return row is None or not row[0]
