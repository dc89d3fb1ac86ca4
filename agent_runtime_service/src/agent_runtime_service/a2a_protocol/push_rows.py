"""Who is told of a task by a call of theirs, and what they have been told. SQL for people is filtered by owners."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from kgents_shared.db import HotPool

_COLUMNS: Final = (
    "push.run_id, push.id, push.owner_id, push.url, push.token, push.scheme, push.credential_ref, push.is_old"
)
_MINE: Final = "push.run_id = %(run_id)s AND push.owner_id = ANY(%(owner_ids)s)"
# What there is to tell of: an end, or a wait for a person, of which a run may have several.
_MARK: Final = "CASE run.status WHEN 'waiting_approval' THEN 'waiting_approval ' || run.epoch ELSE run.status END"
_KEEP: Final = """
INSERT INTO runtime.task_pushes AS push (run_id, id, owner_id, url, token, scheme, credential_ref, is_old)
SELECT run.id, %(id)s, %(owner_id)s, %(url)s, %(token)s, %(scheme)s, %(credential_ref)s, %(is_old)s
FROM runtime.runs AS run
WHERE run.id = %(run_id)s AND (
    SELECT count(*) FROM runtime.task_pushes AS other WHERE other.run_id = run.id AND other.id <> %(id)s
) < %(most)s
ON CONFLICT (run_id, id) DO UPDATE SET url = excluded.url, token = excluded.token, scheme = excluded.scheme,
    credential_ref = excluded.credential_ref, is_old = excluded.is_old, told = NULL, tries = 0,
    due_at = clock_timestamp(), set_at = clock_timestamp(), done_at = NULL
WHERE push.owner_id = excluded.owner_id
RETURNING push.id
"""
_LIST: Final = f"SELECT {_COLUMNS} FROM runtime.task_pushes AS push WHERE {_MINE} ORDER BY push.id"  # noqa: S608 -- ours
_DROP: Final = f"DELETE FROM runtime.task_pushes AS push WHERE {_MINE} AND push.id = %(id)s"  # noqa: S608 -- ours
# Whoever takes one has a minute for it; then another front may. Of one owner's a few are taken at a time: whose
# receivers are slow keeps nobody else's call waiting.
_TAKE: Final = f"""
WITH open AS (
    SELECT push.run_id, push.id, {_MARK} AS mark, run.owner_id AS run_owner_id, push.due_at,
        row_number() OVER (PARTITION BY push.owner_id ORDER BY push.due_at) AS place
    FROM runtime.task_pushes AS push JOIN runtime.runs AS run ON run.id = push.run_id
    WHERE push.done_at IS NULL AND push.due_at <= clock_timestamp() AND push.owner_id <> ALL(%(busy)s)
        AND run.status IN ('completed', 'failed', 'cancelled', 'waiting_approval')
        AND push.told IS DISTINCT FROM {_MARK}
), due AS (
    SELECT open.* FROM open JOIN runtime.task_pushes AS push ON push.run_id = open.run_id AND push.id = open.id
    WHERE open.place <= 5 AND push.due_at <= clock_timestamp()
    ORDER BY open.place, open.due_at LIMIT %(limit)s FOR UPDATE OF push SKIP LOCKED
)
UPDATE runtime.task_pushes AS push SET due_at = clock_timestamp() + interval '1 minute'
FROM due WHERE push.run_id = due.run_id AND push.id = due.id
RETURNING {_COLUMNS}, push.tries, push.set_at, due.mark, due.run_owner_id
"""  # noqa: S608 -- our constants
# One that was set anew meanwhile has still to be told.
_OF_NOW: Final = "WHERE run_id = %(run_id)s AND id = %(id)s AND set_at = %(set_at)s"
_TOLD: Final = f"""
UPDATE runtime.task_pushes SET told = %(mark)s, tries = 0, due_at = clock_timestamp(),
    done_at = CASE WHEN %(is_end)s THEN clock_timestamp() END
{_OF_NOW}
"""  # noqa: S608 -- our constants
_LATER: Final = f"""
UPDATE runtime.task_pushes SET tries = tries + 1, due_at = clock_timestamp() + make_interval(secs => %(pause_s)s)
{_OF_NOW}
"""  # noqa: S608 -- our constants


@dataclass(frozen=True, slots=True)
class Push:
    """One who is told: at `url`, with the `token` that they gave, and with a credential of theirs in the `scheme`.

    `is_old` is one of the protocol's version 0.3.
    """

    run_id: UUID
    id: str
    owner_id: str
    url: str
    token: str | None = None
    scheme: str | None = None
    credential_ref: str | None = None
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class DuePush(Push):
    """One who has to be told of the run's state `mark`, and was called `tries` times for that without success."""

    tries: int = 0
    set_at: datetime | None = None
    mark: str = ""
    run_owner_id: str = ""

    @property
    def is_end(self) -> bool:
        """Whether nothing comes after that."""
        return not self.mark.startswith("waiting")


class PushRepository:
    """Reads and writes `task_pushes`."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def keep(self, push: Push, most: int) -> bool:
        """Keep it, in the place of the run's one of that id; False where the run has `most` others."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_KEEP, {**asdict(push), "most": most})
            return await cursor.fetchone() is not None

    async def of(self, owner_ids: Collection[str], run_id: UUID) -> list[Push]:
        """Who is told of a run, as far as these owners said so."""
        values = {"owner_ids": sorted(owner_ids), "run_id": run_id}
        async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Push)) as cursor:
            return await (await cursor.execute(_LIST, values)).fetchall()

    async def drop(self, owner_ids: Collection[str], run_id: UUID, push_id: str) -> None:
        """Tell them no more."""
        await self._done(_DROP, {"owner_ids": sorted(owner_ids), "run_id": run_id, "id": push_id})

    async def take(self, most: int, busy: Collection[str]) -> list[DuePush]:
        """Some that are due, none of these owners', which are this front's for a minute."""
        async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(DuePush)) as cursor:
            return await (await cursor.execute(_TAKE, {"limit": most, "busy": list(busy)})).fetchall()

    async def told(self, push: DuePush) -> None:
        """They know of the state, or are not told of it any more."""
        values = {"run_id": push.run_id, "id": push.id, "set_at": push.set_at}
        await self._done(_TOLD, {**values, "mark": push.mark, "is_end": push.is_end})

    async def later(self, push: DuePush, pause_s: float) -> None:
        """Try again after a pause."""
        values = {"run_id": push.run_id, "id": push.id, "set_at": push.set_at}
        await self._done(_LATER, {**values, "pause_s": pause_s})

    async def _done(self, statement: str, values: dict[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
