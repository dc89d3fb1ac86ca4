"""What goes over the wire for costs of tools."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

from kgents_shared.contracts.model import Contract

Amount = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Cost(Contract):
    """An amount of money: a decimal string, and the currency's three letters (ISO 4217)."""

    amount: Amount
    currency: Currency = "USD"


class ToolCostView(Contract):
    """What one call of a tool costs."""

    tool: str
    owner_id: str
    cost: Cost
    updated_by: str
    updated_at: datetime
