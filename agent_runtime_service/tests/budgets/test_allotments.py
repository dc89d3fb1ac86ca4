"""What fronts hold of a budget: never more together than there is, whatever becomes of a front."""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from agent_runtime_service.budgets.allotment_rows import AllotmentRows
from agent_runtime_service.budgets.bounds import Bound, began_at, renews_at
from agent_runtime_service.budgets.purses import Purses
from agent_runtime_service.budgets.repository import BudgetRepository, StoredWindow
from agent_runtime_service.errors import BudgetExhausted
from agent_runtime_service.gateway.ledger import ModelCallLedger
from agent_runtime_service.prices.money import in_currency, parts_of
from kgents_shared.db import HotPool, open_pool

MOST = 10_000


@pytest.fixture
async def pool(database_url: str) -> AsyncGenerator[HotPool]:
    async with open_pool(database_url, max_size=8) as opened:
        yield opened


def bound(**changes: object) -> Bound:
    daily = Bound(uuid4(), "the daily budget", "user", f"user-{uuid4().hex}", "day", None, MOST)
    return replace(daily, **changes)


@dataclass
class Front:
    """One front's purses, and the truth about what it spent."""

    purses: Purses
    ledger: ModelCallLedger
    spent: int = 0
    refused: int = 0
    lost: bool = False

    @classmethod
    def of(cls, pool: HotPool, lease_s: float = 30.0) -> "Front":
        purses = Purses(AllotmentRows(pool, lease_s))
        return cls(purses, ModelCallLedger(pool, purses))

    async def call(self, bounds: tuple[Bound, ...], units: int, took: int, cost: int = 0) -> None:
        try:
            reservation = await self.purses.reserve(bounds, cost, units)
        except BudgetExhausted:
            self.refused += 1
            return
        self.spent += took
        await asyncio.sleep(0)
        if not self.lost:
            reservation.settle(cost, took)


async def window_of(pool: HotPool, of: Bound) -> StoredWindow:
    found = await BudgetRepository(pool).windows([(of.id, began_at(of.period, datetime.now(UTC)))])
    return found[of.id]


async def test_a_hundred_calls_at_once_on_two_fronts_never_spend_more_than_there_is(pool: HotPool):
    daily, month, chance = bound(), bound(period="month", max_units=MOST * 10), random.Random(7)  # noqa: S311 -- a test's
    fronts = [Front.of(pool), Front.of(pool)]
    calls = [fronts[number % 2].call((month, daily), 300, chance.randint(1, 300)) for number in range(100)]

    async def settle() -> None:
        while True:
            await asyncio.gather(*(front.ledger.flush() for front in fronts))
            await asyncio.sleep(0.02)

    settling = asyncio.create_task(settle())
    await asyncio.gather(*calls)
    settling.cancel()
    for front in fronts:
        await front.ledger.close()
    spent = sum(front.spent for front in fronts)
    assert MOST // 2 < spent <= MOST
    for of in (daily, month):
        window = await window_of(pool, of)
        assert (window.spent_units, window.held_units, window.lost_units) == (spent, 0, 0)


async def test_what_a_front_held_that_died_counts_as_spent_and_no_more_than_that(pool: HotPool):
    daily = bound()
    dead, living = Front.of(pool, lease_s=0.05), Front.of(pool)
    await dead.call((daily,), 100, 60)
    await dead.ledger.flush()
    dead.lost = True
    await dead.call((daily,), 100, 100)
    before = await window_of(pool, daily)
    assert (before.spent_units, before.held_units >= 100) == (60, True)
    await asyncio.sleep(0.1)
    await living.purses.write_off()
    after = await window_of(pool, daily)
    assert after.held_units == 0
    assert after.spent_units == 60 + before.held_units
    assert after.lost_units == before.held_units < MOST // 8
    await asyncio.gather(*(living.call((daily,), 100, 100) for _ in range(120)))
    await living.ledger.close()
    assert dead.spent + living.spent <= MOST
    assert living.spent > MOST * 3 // 4


@pytest.mark.parametrize("asks_first", [False, True], ids=["settles first", "asks for more first"])
async def test_a_front_that_was_only_slow_gives_back_what_it_did_not_spend_and_settles_nothing_twice(
    pool: HotPool, asks_first: bool
):
    daily = bound(max_cost=10**12)
    slow, other = Front.of(pool, lease_s=0.05), Front.of(pool)
    await slow.call((daily,), 100, 70, cost=1000)
    await slow.call((daily,), 100, 50, cost=1000)
    under_way = await slow.purses.reserve((daily,), 1000, 40)
    await asyncio.sleep(0.1)
    await other.purses.write_off()
    lost = await window_of(pool, daily)
    assert (lost.spent_units > 500, lost.lost_units, lost.held_units) == (True, lost.spent_units, 0)
    if asks_first:
        await slow.call((daily,), 100, 30)
        await slow.ledger.flush()
    else:
        await slow.ledger.flush()
        found = await window_of(pool, daily)
        assert (found.spent_units, found.lost_units, parts_of(found.spent_cost)) == (70 + 50 + 40, 40, 3000)
        assert (found.lost_cost, found.held_units) == (in_currency(1000), 0)
        await slow.call((daily,), 100, 30)
    under_way.settle(1000, 10)  # it counts as the forty that were set aside for it
    for _ in range(2):
        await slow.ledger.close()
        found = await window_of(pool, daily)
        assert (found.spent_units, found.lost_units, found.held_units) == (70 + 50 + 40 + 30, 40, 0)


async def test_what_one_front_holds_and_does_not_use_another_gets_on_asking(pool: HotPool):
    daily = bound(max_units=320)
    idle, needy = Front.of(pool), Front.of(pool)
    await idle.call((daily,), 5, 5)
    assert (await window_of(pool, daily)).held_units == 5  # what it needed
    await idle.call((daily,), 5, 5)
    assert (await window_of(pool, daily)).held_units == 29  # some more, since it is asked again

    async def flush_now_and_then() -> None:
        while True:
            await asyncio.sleep(0.05)
            await idle.ledger.flush()

    flushing = asyncio.create_task(flush_now_and_then())
    await needy.call((daily,), 300, 300)
    flushing.cancel()
    assert (needy.spent, needy.refused) == (300, 0)


async def test_a_refusal_names_the_budget_what_is_left_and_when_it_renews(pool: HotPool):
    front, daily = Front.of(pool), bound(max_cost=2_500_000_000_000)
    await front.call((daily,), 9000, 9000, cost=2_000_000_000_000)
    with pytest.raises(BudgetExhausted) as refused:
        await front.purses.reserve((daily,), 0, 2000)
    assert "the daily budget" in refused.value.detail
    midnight = renews_at("day", began_at("day", datetime.now(UTC)))
    assert midnight is not None
    assert f"It renews at {midnight:%Y-%m-%d}T00:00:00Z." in refused.value.detail
    await front.ledger.flush()
    with pytest.raises(BudgetExhausted, match=r"0\.5 USD and 1000 tokens of 2\.5 USD and 10000 tokens"):
        await front.purses.reserve((daily,), 600_000_000_000, 1)


async def test_the_next_window_begins_with_nothing_spent(pool: HotPool):
    now = [datetime(2026, 1, 31, 23, 59, tzinfo=UTC)]
    rows = AllotmentRows(pool, 30.0)
    purses = Purses(rows, lambda: now[0])
    monthly = bound(period="month", max_units=100)
    under_way = await purses.reserve((monthly,), 0, 100)
    with pytest.raises(BudgetExhausted):
        await purses.reserve((monthly,), 0, 1)
    now[0] += timedelta(minutes=1)
    assert await purses.reserve((monthly,), 0, 100)
    under_way.settle(0, 100)  # in the window that it began in
    await ModelCallLedger(pool, purses).flush()
    windows = await BudgetRepository(pool).windows([(monthly.id, datetime(2026, 1, 1, tzinfo=UTC))])
    assert windows[monthly.id].spent_units == 100
