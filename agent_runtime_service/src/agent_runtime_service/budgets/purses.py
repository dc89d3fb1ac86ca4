"""What this front may spend, in memory: reserving and settling are additions, and rows are asked for more now and then.

A front holds an allotment of each budget that its calls count for. Whatever it spends is spent of what it holds, and
what all fronts hold and have spent is never more than the budget: that is decided under the lock of the window's row.
What a front held that died counts as spent, since nobody knows what providers were asked for in its last moments. One
that was only taken for dead knows it, and gives the rest back.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from psycopg import AsyncConnection

from agent_runtime_service.budgets.allotment_rows import (
    AllotmentRows,
    Granted,
    HolderGone,
    Need,
    Place,
    Refused,
    Settlement,
)
from agent_runtime_service.budgets.bounds import Bound, began_at, renews_at, told
from agent_runtime_service.errors import BudgetExhausted

_log = structlog.get_logger("kgents.runtime.budgets")
# How long others' idle money is waited for: they give it back when they settle, twice a second.
PATIENCE_S: Final = 1.5
_PAUSE_S: Final = 0.1
_IDLE_AFTER_S: Final = 2.0
_REFUSED_FOR_S: Final = 0.2


@dataclass(slots=True, eq=False)
class Purse:
    """What this front holds of one window: set aside for calls (`reserved`), spent, being settled, or idle."""

    place: Place
    held_cost: int = 0
    held_units: int = 0
    reserved_cost: int = 0
    reserved_units: int = 0
    spent_cost: int = 0
    spent_units: int = 0
    good_until: float = 0.0
    used_at: float = 0.0
    settlements: int = 0
    is_gone: bool = False
    is_wanted: bool = False
    refusal: "tuple[float, int, int, BudgetExhausted] | None" = None
    id: UUID = field(default_factory=uuid4)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def lacks(self, bound: Bound, cost: int, units: int) -> tuple[int, int]:
        """How much more must be held for a call of this much."""
        more_cost = 0 if bound.max_cost is None else cost - (self.held_cost - self.reserved_cost - self.spent_cost)
        more_units = (
            0 if bound.max_units is None else units - (self.held_units - self.reserved_units - self.spent_units)
        )
        return max(0, more_cost), max(0, more_units)

    @property
    def holds_some(self) -> bool:
        """Whether there is a row of it."""
        return self.good_until > 0


@dataclass(slots=True, eq=False)
class Reservation:
    """Set aside for one call; `settle` once, with what it really took."""

    purses: Sequence[Purse]
    cost: int
    units: int
    is_open: bool = True

    def settle(self, cost: int, units: int) -> None:
        """The call is over: it took this much."""
        if not self.is_open:
            return
        self.is_open = False
        for purse in self.purses:
            purse.reserved_cost -= self.cost
            purse.reserved_units -= self.units
            purse.spent_cost += cost
            purse.spent_units += units


class Purses:
    """The purses of this front. `prepare`, `store` and `stored` are for whoever writes the calls down."""

    def __init__(self, rows: AllotmentRows, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rows = rows
        self._now = now
        self._purses: dict[tuple[UUID, datetime], Purse] = {}
        self._places: dict[Bound, Place] = {}
        self._lost: list[Purse] = []  # taken for dead, until that is put right

    async def reserve(
        self, bounds: Sequence[Bound], cost: int, units: int, patience_s: float = PATIENCE_S
    ) -> Reservation:
        """Set aside this much in each of the bounds. Raises `BudgetExhausted`, which names the one that hasn't it.

        For what others hold it is waited, `patience_s` at most.
        """
        while True:
            reserved = self.try_reserve(bounds, cost, units)
            if reserved is not None:
                return reserved
            for bound in bounds:
                await self._get_more(bound, cost, units, patience_s)

    def try_reserve(self, bounds: Sequence[Bound], cost: int, units: int) -> Reservation | None:
        """The same from what is held already; None where that doesn't reach."""
        clock = time.monotonic()
        purses = [self._purse(bound) for bound in bounds]
        for bound, purse in zip(bounds, purses, strict=True):
            if clock > purse.good_until or purse.lacks(bound, cost, units) != (0, 0):
                return None
        for purse in purses:
            purse.reserved_cost += cost
            purse.reserved_units += units
            purse.used_at = clock
        return Reservation(purses, cost, units)

    def _purse(self, bound: Bound) -> Purse:
        place = self._places.get(bound)
        now = self._now()
        if place is None or (place.ends_at is not None and now >= place.ends_at):
            starts_at = began_at(bound.period, now)
            place = self._places[bound] = Place(bound, starts_at, renews_at(bound.period, starts_at))
        purse = self._purses.get(place.key)
        if purse is None or purse.is_gone:
            purse = self._purses[place.key] = Purse(place)
        return purse

    async def _get_more(self, bound: Bound, cost: int, units: int, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        purse = self._purse(bound)
        _refuse_again(purse, cost, units)
        async with purse.lock:
            _refuse_again(purse, cost, units)
            while not purse.is_gone:
                more = purse.lacks(bound, cost, units)
                clock = time.monotonic()
                if more == (0, 0) and clock <= purse.good_until:
                    return
                try:
                    unsettled = (purse.spent_cost, purse.spent_units)
                    place = Place(bound, purse.place.starts_at, purse.place.ends_at)
                    need = Need(purse.id, *more, unsettled, ahead=clock - purse.used_at < _IDLE_AFTER_S)
                    found = await self._rows.hold(place, need, holds_some=purse.holds_some)
                except HolderGone:
                    self._drop(purse)
                    self._lost.append(purse)
                    return
                if isinstance(found, Granted):
                    purse.held_cost += found.cost
                    purse.held_units += found.units
                    purse.good_until = clock + self._rows.lease_s / 2
                    return
                if not found.is_held or time.monotonic() >= until:
                    idle = (
                        purse.held_cost - purse.reserved_cost - purse.spent_cost,
                        purse.held_units - purse.reserved_units - purse.spent_units,
                    )
                    error = _exhausted(purse.place, bound, found.beside(idle))
                    if patience_s > 0 or not found.is_held:
                        purse.refusal = (time.monotonic() + _REFUSED_FOR_S, cost, units, error)
                    raise error
                await asyncio.sleep(_PAUSE_S)

    def prepare(self, *, everything: bool = False) -> list[tuple[Purse, Settlement]]:
        """What is to be written down now; `everything`: also what would be kept for the next calls."""
        clock, found = time.monotonic(), list[tuple[Purse, Settlement]]()
        lost, self._lost = self._lost, []
        for purse in lost:
            purse.settlements += 1
            spent = (purse.spent_cost, purse.spent_units)
            purse.spent_cost = purse.spent_units = 0
            found.append((purse, Settlement(purse.place, purse.settlements, *spent, 0, 0, purse.id)))
        for purse in list(self._purses.values()):
            if not purse.holds_some:
                continue
            is_idle = everything or purse.is_wanted or clock - purse.used_at > _IDLE_AFTER_S
            idle_cost = max(0, purse.held_cost - purse.reserved_cost - purse.spent_cost) if is_idle else 0
            idle_units = max(0, purse.held_units - purse.reserved_units - purse.spent_units) if is_idle else 0
            needs_time = (purse.held_cost or purse.held_units) and clock > purse.good_until - self._rows.lease_s / 4
            if not (purse.spent_cost or purse.spent_units or idle_cost or idle_units or needs_time):
                continue
            less_cost = min(purse.held_cost, purse.spent_cost + idle_cost)
            less_units = min(purse.held_units, purse.spent_units + idle_units)
            purse.settlements += 1
            settlement = Settlement(
                purse.place, purse.settlements, purse.spent_cost, purse.spent_units, less_cost, less_units, purse.id
            )
            # Nobody takes meanwhile what is on its way back; it is on its way until it is written.
            purse.held_cost -= less_cost
            purse.held_units -= less_units
            purse.spent_cost = purse.spent_units = 0
            found.append((purse, settlement))
        found.sort(key=lambda pair: pair[1].place.key)  # everybody locks in the same order
        return found

    async def store(
        self, connection: AsyncConnection[Any], prepared: Sequence[tuple[Purse, Settlement]]
    ) -> list[bool | None]:
        """Write it down on the connection that writes the calls down."""
        with_open = [
            (settlement, (purse.reserved_cost + purse.spent_cost, purse.reserved_units + purse.spent_units))
            for purse, settlement in prepared
        ]
        return await self._rows.settle(connection, with_open)

    def stored(self, prepared: Sequence[tuple[Purse, Settlement]], found: Sequence[bool | None]) -> None:
        """It is committed."""
        until = time.monotonic() + self._rows.lease_s / 2
        for (purse, _), wanted in zip(prepared, found, strict=True):
            if wanted is None:
                self._drop(purse)
                continue
            purse.is_wanted = wanted
            purse.good_until = until

    async def write_off(self) -> None:
        """Count as spent what fronts held that died."""
        for budget_id, cost, units in await self._rows.write_off():
            _log.warning("allotment_written_off", budget_id=str(budget_id), what=told(cost, units, "units"))
        now = self._now()
        for bound, place in list(self._places.items()):
            if place.ends_at is not None and now >= place.ends_at:
                del self._places[bound]
        for key, purse in list(self._purses.items()):
            if purse.place.ends_at is not None and now >= purse.place.ends_at and _is_empty(purse):
                del self._purses[key]

    def _drop(self, purse: Purse) -> None:
        """What it held counts as spent already; calls that are under way settle into nothing."""
        purse.is_gone = True
        if self._purses.get(purse.place.key) is purse:
            del self._purses[purse.place.key]


def _is_empty(purse: Purse) -> bool:
    amounts = (
        purse.held_cost, purse.held_units, purse.reserved_cost, purse.reserved_units, purse.spent_cost,
        purse.spent_units,
    )  # fmt: skip
    return not any(amounts)


def _refuse_again(purse: Purse, cost: int, units: int) -> None:
    """A flood of calls asks the rows a few times a second."""
    if purse.refusal is None:
        return
    until, refused_cost, refused_units, error = purse.refusal
    if time.monotonic() >= until:
        purse.refusal = None
    elif cost >= refused_cost and units >= refused_units:
        raise BudgetExhausted(error.detail, error.free, error.retry_after_s, code=error.code)


def _exhausted(place: Place, bound: Bound, found: Refused) -> BudgetExhausted:
    left = told(found.left_cost, found.left_units, bound.unit)
    most = told(bound.max_cost, bound.max_units, bound.unit)
    seconds = 1
    when = "Some of that is set aside for calls that are under way: try again."
    if not found.is_held and place.ends_at is not None:
        seconds = max(1, round((place.ends_at - datetime.now(UTC)).total_seconds()))
        when = f"It renews at {place.ends_at.isoformat().replace('+00:00', 'Z')}."
    elif not found.is_held:
        when = "It does not renew: its owner can raise it."
    code = "too_many_messages" if bound.unit == "messages" else None
    sentence = f"This needs more than is left of {bound.name}: {left} of {most}. {when}"
    return BudgetExhausted(sentence, found.free, seconds, code=code)
