"""`/api/v1/budgets`: bounds of money and tokens, and how they stand."""

from uuid import UUID

from agent_runtime_service.budgets.schemas import BudgetView, NewBudget
from agent_runtime_service.dependencies import BudgetServiceDep, BudgetsRead, BudgetsWrite
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/budgets", tags=["budgets"])


@router.get("")
async def list_budgets(page: PageQuery, principal: BudgetsRead, budgets: BudgetServiceDep) -> Page[BudgetView]:
    """What bounds the caller and what they bound, newest first, each with what is left of it."""
    rows = await budgets.page(principal, page)
    return make_page(rows, page, item=lambda row: row, key=lambda row: (str(row.id),))


@router.put("", responses=refusals(404))
async def put_budget(body: NewBudget, principal: BudgetsWrite, budgets: BudgetServiceDep) -> BudgetView:
    """Bound what an agent, a user, an organisation or the platform may spend; there is one budget for each window.

    What was spent in the window already counts. A user's or the platform's budget takes an administrator, unless it is
    the caller's own.
    """
    return await budgets.put(principal, body)


@router.get("/{budget_id}")
async def get_budget(budget_id: UUID, principal: BudgetsRead, budgets: BudgetServiceDep) -> BudgetView:
    """One budget, with what is left of it."""
    return await budgets.get(principal, budget_id)


@router.delete("/{budget_id}", status_code=204)
async def delete_budget(budget_id: UUID, principal: BudgetsWrite, budgets: BudgetServiceDep) -> None:
    """Delete a budget: it bounds nothing from now on."""
    await budgets.delete(principal, budget_id)
