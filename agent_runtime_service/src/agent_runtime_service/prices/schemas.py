"""Prices on the wire: decimal strings for a million tokens."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent_runtime_service.prices.money import CURRENCY
from kgents_shared.contracts.model import Contract

Amount = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]


class NewPrice(Contract):
    """What a million tokens of a model cost, in the platform's currency; `cached_input` absent costs as `input`."""

    input: Amount
    output: Amount
    cached_input: Amount | None = None

    @property
    def amounts(self) -> tuple[Decimal, Decimal, Decimal | None]:
        """Input, output, cached input."""
        cached = None if self.cached_input is None else Decimal(self.cached_input)
        return Decimal(self.input), Decimal(self.output), cached


class PriceView(Contract):
    """A model's price for a million tokens.

    `source`: `own` (an administrator's) or `list` (the provider's, as of the day in `as_of`).
    """

    provider: str
    model: str
    input: str
    output: str
    cached_input: str | None
    currency: Literal["USD"] = CURRENCY
    source: Literal["own", "list"]
    as_of: str = Field(description="the day that the price is of")
