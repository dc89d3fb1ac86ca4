"""Budgets on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from agent_runtime_service.prices.money import CURRENCY
from kgents_shared.contracts.agent_spec import Money
from kgents_shared.contracts.model import Contract


class NewBudget(Contract):
    """A bound of money, of tokens, or of both, in each `window` (UTC).

    `subject`: an agent's name or id, a user's id (absent: oneself), an organisation's slug or id; absent for `platform`
    """

    scope: Literal["agent", "user", "organisation", "platform"]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")] | None = None
    window: Literal["day", "month", "total"]
    max_cost: Money | None = Field(default=None, description="in the platform's currency, as a decimal string")
    max_tokens: Annotated[int, Field(ge=1, le=10**15, strict=True)] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "NewBudget":
        if self.max_cost is None and self.max_tokens is None:
            raise PydanticCustomError("no_bound", "must have max_cost, max_tokens or both")
        return self


class Amounts(Contract):
    """Money as a decimal string, and tokens; null where the budget has no such bound."""

    cost: str | None
    tokens: int | None


class BudgetView(Contract):
    """A budget and how it stands in the window that is going on.

    `spent` is settled; `reserved` is set aside for calls under way or held ready by the platform's processes; `lost` is
    the part of `spent` that a process held which died.
    """

    id: UUID
    scope: str
    subject: str
    subject_name: str
    window: str
    max_cost: str | None
    max_tokens: int | None
    currency: Literal["USD"] = CURRENCY
    spent: Amounts
    reserved: Amounts
    lost: Amounts
    left: Amounts
    renews_at: datetime | None
    owner_id: str
    created_by: str
    created_at: datetime
    updated_at: datetime
