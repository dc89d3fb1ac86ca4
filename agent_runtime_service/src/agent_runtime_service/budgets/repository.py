"""All SQL about budgets as people make and read them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from agent_runtime_service.budgets.allotment_rows import WHOSE_CALLS
from agent_runtime_service.budgets.bounds import Period, Scope
from kgents_shared.db import HotPool, PageRequest, id_in

_ALL = """
SELECT id, owner_id, scope, subject, subject_name, period, max_cost, max_tokens, created_by, created_at, updated_at
FROM runtime.budgets
"""
_VISIBLE = """
(owner_id = ANY(%(owners)s) OR (scope IN ('user', 'organisation') AND subject = ANY(%(owners)s)) OR %(governs)s)
"""
_PAGE = f"""
{_ALL} WHERE {_VISIBLE} AND (%(after)s::uuid IS NULL OR id < %(after)s) ORDER BY id DESC LIMIT %(limit)s
"""
_FIND = f"{_ALL} WHERE {_VISIBLE} AND id = %(id)s"
_PUT = """
INSERT INTO runtime.budgets (id, owner_id, scope, subject, subject_name, period, max_cost, max_tokens, created_by)
VALUES (%(id)s, %(owner_id)s, %(scope)s, %(subject)s, %(subject_name)s, %(period)s, %(max_cost)s, %(max_tokens)s,
    %(created_by)s)
ON CONFLICT (owner_id, scope, subject, period) DO UPDATE SET max_cost = excluded.max_cost,
    max_tokens = excluded.max_tokens, subject_name = excluded.subject_name, updated_at = now()
RETURNING id, owner_id, scope, subject, subject_name, period, max_cost, max_tokens, created_by, created_at, updated_at
"""
_DELETE = """
WITH gone AS (DELETE FROM runtime.budgets WHERE id = %(id)s AND owner_id = ANY(%(owners)s) RETURNING id),
windows AS (DELETE FROM runtime.budget_windows USING gone WHERE budget_id = gone.id),
allotments AS (DELETE FROM runtime.budget_allotments USING gone WHERE budget_id = gone.id)
SELECT id FROM gone
"""
_WINDOWS = """
SELECT budget_id, starts_at, spent_cost, spent_units, held_cost, held_units, lost_cost, lost_units
FROM runtime.budget_windows
WHERE (budget_id, starts_at) IN (SELECT * FROM unnest(%(ids)s::uuid[], %(starts)s::timestamptz[]))
"""
_SPENT = """
SELECT coalesce(sum(cost), 0), coalesce(sum(prompt_tokens + completion_tokens), 0)::bigint
FROM runtime.model_calls WHERE created_at >= %(starts_at)s AND {whose}
"""


@dataclass(frozen=True, slots=True)
class StoredBudget:
    """One budget, as `BudgetRow` has it."""

    id: UUID
    owner_id: str
    scope: Scope
    subject: str
    subject_name: str
    period: Period
    max_cost: Decimal | None
    max_tokens: int | None
    created_by: str
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """What of a budget is spent in one window, held by fronts, and lost with fronts that died."""

    spent_cost: Decimal = Decimal(0)
    spent_units: int = 0
    held_cost: Decimal = Decimal(0)
    held_units: int = 0
    lost_cost: Decimal = Decimal(0)
    lost_units: int = 0


class BudgetRepository:
    """Reads and writes `budgets`; `owners` are who the caller is, `governs` says that they see everybody's."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def all(self) -> list[StoredBudget]:
        """Every budget of the platform, for the fronts' memory."""
        return [StoredBudget(*row) for row in await self._rows(_ALL, {})]

    async def page(self, owners: Collection[str], request: PageRequest, *, governs: bool) -> list[StoredBudget]:
        """Budgets that the caller may see, newest first; one more than asked for."""
        after = None if request.after is None else id_in(request.after)
        values = {"owners": sorted(owners), "governs": governs, "after": after, "limit": request.limit + 1}
        return [StoredBudget(*row) for row in await self._rows(_PAGE, values)]

    async def find(self, owners: Collection[str], budget_id: UUID, *, governs: bool) -> StoredBudget | None:
        """One that the caller may see."""
        rows = await self._rows(_FIND, {"owners": sorted(owners), "governs": governs, "id": budget_id})
        return StoredBudget(*rows[0]) if rows else None

    async def put(self, budget: StoredBudget) -> StoredBudget:
        """Store a budget, in place of the one that its owner has for the same subject and period."""
        names = (
            "id", "owner_id", "scope", "subject", "subject_name", "period", "max_cost", "max_tokens", "created_by",
        )  # fmt: skip
        rows = await self._rows(_PUT, {name: getattr(budget, name) for name in names})
        return StoredBudget(*rows[0])

    async def delete(self, owners: Collection[str], budget_id: UUID) -> bool:
        """Delete one of the owners'; False where there is none."""
        return bool(await self._rows(_DELETE, {"id": budget_id, "owners": sorted(owners)}))

    async def windows(self, places: Collection[tuple[UUID, datetime]]) -> dict[UUID, StoredWindow]:
        """What is spent of budgets in the windows that began then; those that no call was held against aren't there."""
        values = {"ids": [place[0] for place in places], "starts": [place[1] for place in places]}
        return {row[0]: StoredWindow(*row[2:]) for row in await self._rows(_WINDOWS, values)}

    async def spent_before(self, budget: StoredBudget, starts_at: datetime) -> StoredWindow:
        """What the first call that is held against it will find spent of a window."""
        statement = _SPENT.format(whose=WHOSE_CALLS[budget.scope])
        rows = await self._rows(statement, {"starts_at": starts_at, "subject": budget.subject})
        return StoredWindow(*rows[0])

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()
