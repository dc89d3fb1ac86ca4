"""Budgets made, shown and deleted, and the book kept equal to the table."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from agent_runtime_service.budgets.book import PLATFORM, BudgetBook
from agent_runtime_service.budgets.bounds import Bound, began_at, renews_at
from agent_runtime_service.budgets.repository import BudgetRepository, StoredBudget, StoredWindow
from agent_runtime_service.budgets.schemas import Amounts, BudgetView, NewBudget
from agent_runtime_service.clients import AgentCatalog
from agent_runtime_service.errors import AgentNotFound, BudgetNotFound
from agent_runtime_service.prices.money import parts_of, written
from kgents_shared.auth import Principal, organisation_of, owner_of_new, referenced
from kgents_shared.db import PageRequest, new_id
from kgents_shared.errors import Forbidden

_RELOAD_EVERY_S: Final = 2.0
_GOVERN: Final = "platform:govern"


class BudgetService:
    """Holds the rules of who may bound whom."""

    def __init__(self, repository: BudgetRepository, book: BudgetBook, catalog: AgentCatalog) -> None:
        self._repository = repository
        self._book = book
        self._catalog = catalog

    async def put(self, principal: Principal, new: NewBudget) -> BudgetView:
        """Make a budget, or change the bounds of the one that is there for this subject and window.

        Raises `AgentNotFound`, `NotFound` for an organisation that the caller isn't in, and `Forbidden` where it takes
        an administrator.
        """
        owner_id, subject, name = await self._subject(principal, new)
        budget = StoredBudget(
            new_id(), owner_id, new.scope, subject, name, new.window,
            None if new.max_cost is None else Decimal(new.max_cost), new.max_tokens, principal.subject,
        )  # fmt: skip
        stored = await self._repository.put(budget)
        await self._load()
        return (await self._views([stored]))[0]

    async def page(self, principal: Principal, request: PageRequest) -> list[BudgetView]:
        """What bounds the caller and what they bound; everything for administrators."""
        rows = await self._repository.page(principal.owner_ids, request, governs=_GOVERN in principal.scopes)
        return await self._views(rows)

    async def get(self, principal: Principal, budget_id: UUID) -> BudgetView:
        """One budget. Raises `BudgetNotFound`."""
        found = await self._repository.find(principal.owner_ids, budget_id, governs=_GOVERN in principal.scopes)
        if found is None:
            raise BudgetNotFound("There is no such budget.")
        return (await self._views([found]))[0]

    async def delete(self, principal: Principal, budget_id: UUID) -> None:
        """Delete a budget. Raises `BudgetNotFound`, also for those that somebody else gave the caller."""
        governs = _GOVERN in principal.scopes
        owners = principal.owner_ids | {PLATFORM} if governs else principal.owner_ids
        if not await self._repository.delete(owners, budget_id):
            raise BudgetNotFound("There is no such budget of yours.")
        await self._load()

    async def keep_current(self) -> None:
        """Endless: other fronts write the same table."""
        while True:
            await self._load()
            await asyncio.sleep(_RELOAD_EVERY_S)

    async def _load(self) -> None:
        self._book.replace(_bound(budget) for budget in await self._repository.all())

    async def _subject(self, principal: Principal, new: NewBudget) -> tuple[str, str, str]:
        """Whose the budget is, what it bounds, and how that is called."""
        if new.scope == "agent":
            return await self._agent(principal, new.subject)
        if new.scope == "organisation":
            if new.subject is None:
                raise _missing("an organisation's slug or id")
            owner_id = owner_of_new(principal, new.subject)
            return owner_id, owner_id, organisation_of(principal, owner_id) or owner_id
        if new.scope == "user" and new.subject in {None, principal.owner_id}:
            return principal.owner_id, principal.owner_id, principal.owner_id
        if _GOVERN not in principal.scopes:
            raise Forbidden(f"Budgets of other people and of the platform need the scope {_GOVERN}.")
        subject = PLATFORM if new.scope == "platform" else new.subject or ""
        return PLATFORM, subject, subject

    async def _agent(self, principal: Principal, subject: str | None) -> tuple[str, str, str]:
        reference = None if subject is None else referenced(principal, subject)
        found = None if reference is None else await self._catalog.resolve(reference)
        if reference is None or found is None or found.owner_id not in reference.owner_ids:
            raise AgentNotFound("There is no such agent.")
        return found.owner_id, str(found.agent_id), found.name

    async def _views(self, budgets: Sequence[StoredBudget]) -> list[BudgetView]:
        now = datetime.now(UTC)
        places = [(budget.id, began_at(budget.period, now)) for budget in budgets]
        windows = await self._repository.windows(places)
        for budget, (_, starts_at) in zip(budgets, places, strict=True):
            if budget.id not in windows:
                windows[budget.id] = await self._repository.spent_before(budget, starts_at)
        return [_view(budget, windows[budget.id], now) for budget in budgets]


def _missing(what: str) -> Forbidden:
    return Forbidden(f"The subject must be {what}.")


def _bound(budget: StoredBudget) -> Bound:
    cost = None if budget.max_cost is None else parts_of(budget.max_cost)
    how_long = {"day": "daily", "month": "monthly", "total": "whole"}[budget.period]
    if budget.scope == "user":  # a refusal is told to the person whose it is
        name = f"your {how_long} budget ({budget.id})"
    else:
        whose = "the platform" if budget.scope == "platform" else f"the {budget.scope} {budget.subject_name}"
        name = f"the {how_long} budget of {whose} ({budget.id})"
    return Bound(budget.id, name, budget.scope, budget.subject, budget.period, cost, budget.max_tokens)


def _view(budget: StoredBudget, window: StoredWindow, now: datetime) -> BudgetView:
    def amounts(cost: Decimal, tokens: int) -> Amounts:
        return Amounts(
            cost=None if budget.max_cost is None else written(max(cost, Decimal(0))),
            tokens=None if budget.max_tokens is None else max(tokens, 0),
        )

    left_cost = (budget.max_cost or Decimal(0)) - window.spent_cost - window.held_cost
    left_tokens = (budget.max_tokens or 0) - window.spent_units - window.held_units
    return BudgetView(
        id=budget.id,
        scope=budget.scope,
        subject=budget.subject,
        subject_name=budget.subject_name,
        window=budget.period,
        max_cost=None if budget.max_cost is None else written(budget.max_cost),
        max_tokens=budget.max_tokens,
        spent=amounts(window.spent_cost, window.spent_units),
        reserved=amounts(window.held_cost, window.held_units),
        lost=amounts(window.lost_cost, window.lost_units),
        left=amounts(left_cost, left_tokens),
        renews_at=renews_at(budget.period, began_at(budget.period, now)),
        owner_id=budget.owner_id,
        created_by=budget.created_by,
        created_at=budget.created_at or now,
        updated_at=budget.updated_at or now,
    )
