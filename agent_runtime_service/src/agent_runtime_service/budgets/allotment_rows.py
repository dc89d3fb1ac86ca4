"""All SQL about what fronts hold of budgets. A window's row is locked first, then its allotments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from agent_runtime_service.budgets.bounds import Bound
from agent_runtime_service.prices.money import in_currency, parts_of
from kgents_shared.db import HotPool

# Whose calls count: a window's first row has what was spent of it before anybody bounded it.
WHOSE_CALLS: Final = {
    "agent": "agent_id = %(subject)s::uuid",
    "user": "owner_id = %(subject)s",
    "organisation": "agent_owner_id = %(subject)s",
    "platform": "true",
}
_OPEN = """
INSERT INTO runtime.budget_windows (budget_id, starts_at, ends_at, spent_cost, spent_units)
SELECT %(budget_id)s, %(starts_at)s, %(ends_at)s, coalesce(sum(cost), 0),
    coalesce(sum(prompt_tokens + completion_tokens), 0)
FROM runtime.model_calls WHERE created_at >= %(starts_at)s AND {whose} AND %(counts)s
ON CONFLICT DO NOTHING
"""
_WINDOW = """
SELECT spent_cost, spent_units, held_cost, held_units FROM runtime.budget_windows
WHERE budget_id = %(budget_id)s AND starts_at = %(starts_at)s FOR UPDATE
"""
_HOLD = """
WITH held AS (
    UPDATE runtime.budget_windows SET held_cost = held_cost + %(cost)s, held_units = held_units + %(units)s
    WHERE budget_id = %(budget_id)s AND starts_at = %(starts_at)s
)
INSERT INTO runtime.budget_allotments AS kept (budget_id, starts_at, front, cost, units, expires_at)
VALUES (%(budget_id)s, %(starts_at)s, %(front)s, %(cost)s, %(units)s, now() + %(lease)s)
ON CONFLICT (budget_id, starts_at, front) DO UPDATE SET cost = kept.cost + excluded.cost,
    units = kept.units + excluded.units, expires_at = excluded.expires_at
"""
_IS_HELD = """
SELECT 1 FROM runtime.budget_allotments
WHERE budget_id = %(budget_id)s AND starts_at = %(starts_at)s AND front = %(front)s AND NOT written_off
"""
_WANT = """
UPDATE runtime.budget_windows SET wanted_until = now() + interval '2 seconds'
WHERE budget_id = %(budget_id)s AND starts_at = %(starts_at)s
"""
# What a front spent and what it gives back, in the transaction that writes the calls down; once for each `number`.
# It says false where another front found this one dead and counted all that it held as spent; then what it didn't
# spend, and hasn't set aside for calls that are under way (`open`), comes back.
_SETTLE = """
WITH window_row AS (
    SELECT budget_id, starts_at, wanted_until > now() AS wanted FROM runtime.budget_windows
    WHERE budget_id = %(budget_id)s AND starts_at = %(starts_at)s FOR UPDATE
), kept AS (
    UPDATE runtime.budget_allotments AS mine SET cost = mine.cost - %(less_cost)s, units = mine.units - %(less_units)s,
        expires_at = now() + %(lease)s, settled = %(number)s
    FROM window_row WHERE mine.budget_id = window_row.budget_id AND mine.starts_at = window_row.starts_at
        AND mine.front = %(front)s AND mine.settled < %(number)s AND NOT mine.written_off
    RETURNING mine.budget_id
), lost AS (
    DELETE FROM runtime.budget_allotments AS mine USING window_row
    WHERE mine.budget_id = window_row.budget_id AND mine.starts_at = window_row.starts_at
        AND mine.front = %(front)s AND mine.written_off
    RETURNING mine.cost, mine.units
), found AS (
    UPDATE runtime.budget_windows AS bound SET spent_cost = spent_cost + %(spent_cost)s + %(open_cost)s - lost.cost,
        spent_units = spent_units + %(spent_units)s + %(open_units)s - lost.units,
        lost_cost = lost_cost - greatest(lost.cost - %(open_cost)s, 0),
        lost_units = lost_units - greatest(lost.units - %(open_units)s, 0)
    FROM lost WHERE bound.budget_id = %(budget_id)s AND bound.starts_at = %(starts_at)s
), settled AS (
    UPDATE runtime.budget_windows AS bound SET spent_cost = spent_cost + %(spent_cost)s,
        spent_units = spent_units + %(spent_units)s, held_cost = held_cost - %(less_cost)s,
        held_units = held_units - %(less_units)s
    FROM kept WHERE bound.budget_id = %(budget_id)s AND bound.starts_at = %(starts_at)s
)
SELECT EXISTS (SELECT FROM kept) OR EXISTS (
        SELECT FROM runtime.budget_allotments WHERE budget_id = %(budget_id)s AND starts_at = %(starts_at)s
            AND front = %(front)s AND settled >= %(number)s AND NOT written_off
    ),
    coalesce((SELECT wanted FROM window_row), false)
"""
_WRITE_OFF = """
WITH gone AS (
    UPDATE runtime.budget_allotments SET written_off = true WHERE (budget_id, starts_at, front) IN (
        SELECT budget_id, starts_at, front FROM runtime.budget_allotments WHERE expires_at < now() AND NOT written_off
        FOR UPDATE SKIP LOCKED
    )
    RETURNING budget_id, starts_at, cost, units
), summed AS (
    SELECT budget_id, starts_at, sum(cost) AS cost, sum(units)::bigint AS units FROM gone GROUP BY 1, 2
)
UPDATE runtime.budget_windows AS bound SET spent_cost = spent_cost + summed.cost,
    spent_units = spent_units + summed.units, held_cost = held_cost - summed.cost,
    held_units = held_units - summed.units, lost_cost = lost_cost + summed.cost, lost_units = lost_units + summed.units
FROM summed WHERE bound.budget_id = summed.budget_id AND bound.starts_at = summed.starts_at
RETURNING bound.budget_id, summed.cost, summed.units
"""
_CLEAN = """
WITH gone AS (
    DELETE FROM runtime.budget_allotments WHERE written_off AND expires_at < now() - interval '1 day'
)
DELETE FROM runtime.budget_windows
WHERE ends_at < now() - interval '400 days'
    OR (ends_at < now() - interval '1 hour' AND ends_at - starts_at < interval '1 hour')
"""
# A front that needs a little again gets more, so that its next calls need no round trip; near the end everybody gets
# little. One that needed nothing for a while gets what it asks for: what it holds is lost with it if it dies.
_CALLS_AHEAD: Final = 8
_SHARE: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """One window of a budget. `ends_at` is None for one that never ends."""

    bound: Bound
    starts_at: datetime
    ends_at: datetime | None

    @property
    def key(self) -> tuple[UUID, datetime]:
        """What it is kept under."""
        return self.bound.id, self.starts_at


@dataclass(frozen=True, slots=True)
class Granted:
    """More to hold."""

    cost: int
    units: int


@dataclass(frozen=True, slots=True)
class Refused:
    """There is not enough: what is left of money and units, and what of that nobody holds (None without a bound).

    `is_held`: it would be enough if others held nothing.
    """

    left_cost: int | None
    left_units: int | None
    free: tuple[int | None, int | None]
    is_held: bool

    def beside(self, idle: tuple[int, int]) -> "Refused":
        """The same, with what the asking front itself holds and doesn't use among what is free."""
        free = tuple(None if one is None else one + max(0, more) for one, more in zip(self.free, idle, strict=True))
        return replace(self, free=(free[0], free[1]))


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a front spent of a window, and how much less it holds afterwards (what it spent, and what it gives back)."""

    place: Place
    number: int
    spent_cost: int
    spent_units: int
    less_cost: int
    less_units: int
    purse: UUID


class HolderGone(Exception):
    """This front was taken for dead: what it held counts as spent, and it holds nothing any more."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a purse must hold more of its window, and whether it gets more than that, for calls that are likely to come.

    `unsettled` of what it holds is spent.
    """

    purse: UUID
    cost: int
    units: int
    unsettled: tuple[int, int]
    ahead: bool


class AllotmentRows:
    """Holds, settles, and writes off. A row is a purse's: one that was taken for dead is followed by another."""

    def __init__(self, pool: HotPool, lease_s: float) -> None:
        self._pool = pool
        self.lease_s = lease_s

    async def hold(self, place: Place, need: Need, *, holds_some: bool) -> Granted | Refused:
        """Hold at least so much more of a window. Raises `HolderGone` where what it holds already is gone."""
        keys = self._keys(place, need.purse)
        async with self._pool.connection() as connection, connection.transaction():
            if not holds_some:
                await self._open(connection, place)
            cursor = await connection.execute(_WINDOW, keys)
            row = await cursor.fetchone()
            if row is None:  # cleaned away, or the budget was deleted: it is counted anew
                raise HolderGone
            if holds_some and await (await connection.execute(_IS_HELD, keys)).fetchone() is None:
                raise HolderGone
            spent = (parts_of(row[0]) + need.unsettled[0], row[1] + need.unsettled[1])
            held = (parts_of(row[2]) - need.unsettled[0], row[3] - need.unsettled[1])
            found = _share(place.bound, spent, held, need)
            if isinstance(found, Granted):
                more = {"cost": in_currency(found.cost), "units": found.units}
                await connection.execute(_HOLD, {**keys, **more})
            elif found.is_held:
                await connection.execute(_WANT, keys)
            return found

    async def settle(
        self, connection: AsyncConnection[Any], settlements: Sequence[tuple[Settlement, tuple[int, int]]]
    ) -> list[bool | None]:
        """Write down what was spent, on the connection that writes the calls down; with what is open beside that.

        For each whether others want what is idle; None where this front was taken for dead.
        """
        found: list[bool | None] = []
        for settlement, still_open in settlements:
            values = self._keys(settlement.place, settlement.purse) | {
                "open_cost": in_currency(still_open[0]),
                "open_units": still_open[1],
                "spent_cost": in_currency(settlement.spent_cost),
                "spent_units": settlement.spent_units,
                "less_cost": in_currency(settlement.less_cost),
                "less_units": settlement.less_units,
                "number": settlement.number,
            }
            row = await (await connection.execute(_SETTLE, values)).fetchone()
            found.append(bool(row[1]) if row is not None and row[0] else None)
        return found

    async def write_off(self) -> list[tuple[UUID, int, int]]:
        """What fronts held that died counts as spent: budget, cost and units of each."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_WRITE_OFF)).fetchall()
            await connection.execute(_CLEAN)
        return [(row[0], parts_of(row[1]), row[2]) for row in rows]

    async def _open(self, connection: AsyncConnection[Any], place: Place) -> None:
        statement = _OPEN.format(whose=WHOSE_CALLS[place.bound.scope])
        # Messages are counted from the first one on: no ledger has them.
        values = {
            "budget_id": place.bound.id, "starts_at": place.starts_at, "ends_at": place.ends_at,
            "subject": place.bound.subject, "counts": place.bound.unit == "tokens",
        }  # fmt: skip
        await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants

    def _keys(self, place: Place, purse: UUID) -> dict[str, Any]:
        return {
            "budget_id": place.bound.id,
            "starts_at": place.starts_at,
            "front": purse,
            "lease": timedelta(seconds=self.lease_s),
        }


def _share(bound: Bound, spent: tuple[int, int], held: tuple[int, int], need: Need) -> Granted | Refused:
    """What a front gets that needs so much; each is money and units."""
    cost, units = need.cost, need.units
    left_cost = None if bound.max_cost is None else bound.max_cost - spent[0]
    left_units = None if bound.max_units is None else bound.max_units - spent[1]
    free_cost = None if left_cost is None else left_cost - held[0]
    free_units = None if left_units is None else left_units - held[1]
    if _lacks(free_cost, cost) or _lacks(free_units, units):
        is_held = not (_lacks(left_cost, cost) or _lacks(left_units, units))
        free = (_at_least_none(free_cost), _at_least_none(free_units))
        return Refused(_at_least_none(left_cost), _at_least_none(left_units), free, is_held)
    calls = _CALLS_AHEAD if need.ahead else 0
    return Granted(_with_more(free_cost, cost, calls), _with_more(free_units, units, calls))


def _lacks(free: int | None, need: int) -> bool:
    return free is not None and need > max(free, 0)


def _with_more(free: int | None, need: int, calls: int) -> int:
    if free is None:
        return 0
    return min(free, need + min(need * calls, free // _SHARE)) if need > 0 else 0


def _at_least_none(left: int | None) -> int | None:
    return None if left is None else max(0, left)
