"""A call of a tool and its money: its price set aside before, what it was recorded with counted after."""

import time
from dataclasses import dataclass
from typing import Final

from agent_runtime_service.budgets.admission import ModelBudgets
from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.budgets.purses import Reservation
from agent_runtime_service.errors import BudgetExhausted, PriceUnknown
from agent_runtime_service.execution.active import ActiveRun, RunPlan
from agent_runtime_service.gateway.ledger import Booking, CallTrace, ModelCallLedger, Spent
from agent_runtime_service.prices.money import CURRENCY, parts_of
from kgents_shared.contracts.tools import ToolPrice

PURPOSE: Final = "tool"


@dataclass(slots=True)
class PricedCall:
    """A call that may go out. `settle` once it is over; whose end nobody knows, it counts as made."""

    id: str
    tool: str
    price: int
    began: float
    reservation: Reservation | None = None
    cost: int | None = None  # what it was recorded with; None where nobody said

    def went(self, cost: ToolPrice | None) -> None:
        """It was answered: this is what it is recorded with, None where it never went out."""
        self.cost = _counted(cost)


class ToolMoney:
    """Counts calls of tools in the budgets that their runs' model calls count in."""

    def __init__(self, budgets: ModelBudgets, ledger: ModelCallLedger) -> None:
        self._budgets = budgets
        self._ledger = ledger

    async def admit(self, run: ActiveRun, plan: RunPlan, call_id: str, tool: str, *, is_repeated: bool) -> PricedCall:
        """Set aside what a call of the tool costs. Raises `BudgetExhausted`, and `PriceUnknown` where a budget in money
        holds and the price is in another currency.

        One that is repeated, since its worker or front was lost, may have gone out, and was admitted then: it is
        refused no more, and what was counted here isn't counted again.
        """
        call = PricedCall(call_id, tool, 0, time.monotonic())
        told = plan.tool_prices.get(tool)
        if told is None:
            return call
        call.price = _counted(told)
        if call_id in run.paid_calls:
            return call
        bounds = self._budgets.bounds(Payer(run.owner_id, run.agent_id, plan.owner_id, plan.bounds.day, run.principal))
        if not bounds:
            return call
        if told.currency != CURRENCY and not is_repeated and any(bound.max_cost is not None for bound in bounds):
            raise PriceUnknown(
                f"A call of {tool} costs {told.amount} {told.currency}, and a budget in {CURRENCY} holds for this "
                f"agent: have the price said in {CURRENCY}."
            )
        try:
            call.reservation = await self._budgets.set_aside(bounds, call.price)
        except BudgetExhausted:
            if not is_repeated:
                raise
        return call

    def settle(self, run: ActiveRun, plan: RunPlan, call: PricedCall) -> None:
        """The call is over, or nobody waits for it any more."""
        cost = call.price if call.cost is None else call.cost
        if call.reservation is not None:
            call.reservation.settle(cost, 0)
        if not cost or call.id in run.paid_calls:
            return
        run.paid_calls.add(call.id)
        run.usage.add_tool(cost)
        booking = Booking(
            run.owner_id, PURPOSE, call.tool, run_id=run.run_id, agent_id=run.agent_id, agent_owner_id=plan.owner_id,
            agent_name=run.agent_name, purpose=PURPOSE,
        )  # fmt: skip
        self._ledger.add(
            booking, (0, 0, False), tries=1, duration_s=time.monotonic() - call.began, error=None, spent=Spent(cost),
            trace=CallTrace(run.conversation_id, run.steps, run.epoch),
        )  # fmt: skip


def _counted(price: ToolPrice | None) -> int:
    return parts_of(price.amount) if price is not None and price.currency == CURRENCY else 0
