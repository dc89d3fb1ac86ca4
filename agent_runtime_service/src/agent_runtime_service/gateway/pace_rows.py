"""How far the lines before accounts at providers are, over all fronts: a row for each, of which fronts take stretches.

A stretch is a second's worth at least, so that a line is asked about once a second and front, however many stand in it.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from kgents_shared.db import HotPool

_log = structlog.get_logger("kgents.runtime.pace")
_TAKE = """
INSERT INTO runtime.provider_paces AS pace (line, due) VALUES (%(line)s, now() + %(length)s)
ON CONFLICT (line) DO UPDATE SET due = greatest(pace.due, now()) + %(length)s
    WHERE greatest(pace.due, now()) <= now() + %(most)s
RETURNING extract(epoch FROM due)::float8, extract(epoch FROM due - now())::float8
"""
_DUE = "SELECT extract(epoch FROM due - now())::float8 FROM runtime.provider_paces WHERE line = %(line)s"
_PUSH = "UPDATE runtime.provider_paces SET due = greatest(due, now() + %(length)s) WHERE line = %(line)s"
_CLEAN = "DELETE FROM runtime.provider_paces WHERE due < now() - interval '1 day'"
_CLEAN_EVERY_S: Final = 3600.0
_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of a line, from `start_s` (from now on; it may be over) and so long; `end` is where the next one begins."""

    start_s: float
    length_s: float
    end: float


class PaceRows:
    """Takes stretches of lines."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool
        self._cleaned_at = 0.0

    async def take(self, line: str, length_s: float, most_s: float) -> Stretch | float | None:
        """The next stretch; where it begins more than `most_s` seconds from now, in how many it does.

        None where nobody can say: the database is away.
        """
        values = {"line": line, "length": timedelta(seconds=length_s), "most": timedelta(seconds=most_s)}
        try:
            async with self._pool.connection(timeout=_WITHIN_S) as connection:
                if time.monotonic() - self._cleaned_at > _CLEAN_EVERY_S:
                    self._cleaned_at = time.monotonic()
                    await connection.execute(_CLEAN)
                row = await self._one(connection, _TAKE, values)
                if row is not None:
                    return Stretch(row[1] - length_s, length_s, row[0])
                row = await self._one(connection, _DUE, values)
                return most_s if row is None else row[0]
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("pace_of_this_front_alone", error=repr(error))
            return None

    async def push(self, line: str, length_s: float) -> None:
        """Let nobody have a stretch for so long."""
        try:
            async with self._pool.connection(timeout=_WITHIN_S) as connection:
                await connection.execute(_PUSH, {"line": line, "length": timedelta(seconds=length_s)})
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("pause_of_this_front_alone", error=repr(error))

    @staticmethod
    async def _one(
        connection: psycopg.AsyncConnection[Any], statement: str, values: dict[str, Any]
    ) -> tuple[Any, ...] | None:
        cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
        return await cursor.fetchone()
