"""What it costs a call to be held against budgets, messages a minute and a provider's pace, in memory.

`python -m benchmarks.limits [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from agent_runtime_service.budgets.admission import ModelBudgets
from agent_runtime_service.budgets.allotment_rows import AllotmentRows, Granted, Need, Place, Refused
from agent_runtime_service.budgets.book import PLATFORM, BudgetBook, Payer
from agent_runtime_service.budgets.bounds import Bound, Scope
from agent_runtime_service.budgets.purses import Purses
from agent_runtime_service.gateway.pace import AccountPace
from agent_runtime_service.prices.book import PriceBook
from benchmarks.check_times import CheckTimes
from benchmarks.command import MEDIANS, effort_of, parser_of, tell
from benchmarks.message_results import machine
from benchmarks.report import Row, rows_of_medians, table

OURS = "Kgents"
NONE, FOUR = "model call, no budget holds", "model call, four budgets hold: set aside and settled"
MESSAGE, PACE = "message, a bound of messages a minute", "request to a provider, its pace"
_PLENTY = 10**18


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, and checks of each kind a round."""

    rounds: int
    checks: int


FULL = Effort(7, 20_000)
QUICK = Effort(1, 200)


class PlentyHeld(AllotmentRows):
    """Rows that give a front all that it could ever need at once: what is measured is the way without them."""

    def __init__(self) -> None:
        self.lease_s = 3600.0

    async def hold(self, place: Place, need: Need, *, holds_some: bool) -> Granted | Refused:
        """See `AllotmentRows.hold`."""
        return Granted(_PLENTY, _PLENTY)


def budgets(payer: Payer, *, held: bool) -> ModelBudgets:
    """Budgets of the platform, an organisation, a person and an agent, or none."""
    book = BudgetBook()
    if held:
        subjects: tuple[tuple[Scope, str], ...] = (
            ("platform", PLATFORM),
            ("organisation", payer.agent_owner_id or ""),
            ("user", payer.user),
            ("agent", str(payer.agent_id)),
        )
        book.replace(
            Bound(uuid4(), f"the budget of {scope}", scope, subject, "day", _PLENTY * 2, _PLENTY * 2)
            for scope, subject in subjects
        )
    return ModelBudgets(PriceBook(), book, Purses(PlentyHeld()))


async def calls(payer: Payer, checks: int, *, held: bool) -> list[int]:
    """Nanoseconds of each call's part: finding its bounds and price, setting aside, settling."""
    counted, request = budgets(payer, held=held), b"x" * 2000
    clock, times = time.perf_counter_ns, list[int]()
    for _ in range(checks):
        began = clock()
        bounds = counted.bounds(payer)
        if bounds:
            admitted = await counted.admit(bounds, "openai", "gpt-4.1-mini", request, 500)
            admitted.settle(500, 100)
        else:
            counted.price("openai", "gpt-4.1-mini")
        times.append(clock() - began)
    return times


async def messages(checks: int) -> list[int]:
    """Nanoseconds of counting each message."""
    counted = ModelBudgets(PriceBook(), BudgetBook(), Purses(PlentyHeld(), lambda: datetime(2026, 1, 1, tzinfo=UTC)))
    minute = Bound(uuid4(), "messages a minute", "agent", "helper", "minute", None, _PLENTY * 2, "messages")
    clock, times = time.perf_counter_ns, list[int]()
    for _ in range(checks):
        began = clock()
        await counted.take_one(minute)
        times.append(clock() - began)
    return times


def turns(checks: int) -> list[int]:
    """Nanoseconds of finding each request's turn."""
    pace = AccountPace(10**9, 10**12, 10.0)
    return timed(lambda: pace.turn_s(2000, 60.0), checks)


def timed(check: Callable[[], object], checks: int) -> list[int]:
    """Nanoseconds of each check."""
    clock, times = time.perf_counter_ns, list[int]()
    for _ in range(checks):
        began = clock()
        check()
        times.append(clock() - began)
    return times


async def run(effort: Effort) -> CheckTimes:
    """All rounds."""
    results = CheckTimes(machine=machine())
    payer = Payer("ada", UUID(int=7), "acme")
    for _ in range(effort.rounds):
        results.add(NONE, OURS, await calls(payer, effort.checks, held=False))
        results.add(FOUR, OURS, await calls(payer, effort.checks, held=True))
        results.add(MESSAGE, OURS, await messages(effort.checks))
        results.add(PACE, OURS, turns(effort.checks))
    return results


def rows(results: CheckTimes) -> list[Row]:
    """The table: medians over the rounds."""
    return rows_of_medians(results.medians_us, "µs", dict.fromkeys((NONE, FOUR, MESSAGE, PACE), 100.0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("limits", "What it costs a call to be held against budgets and limits.")
    parser.add_argument("--rounds", type=int, help=MEDIANS)
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    results = asyncio.run(run(effort))
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
