"""Amounts of money as whole numbers of the smallest part that a token can cost.

One millionth of a millionth of the currency: a price for a million tokens with up to six decimals is then a whole
number for one token, and sums on the hot path are additions of integers.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

CURRENCY: Final = "USD"
PARTS: Final = 10**12
_DECIMALS: Final = 12


def parts_of(amount: Decimal | str) -> int:
    """An amount of the currency in parts, rounded down."""
    return int(Decimal(amount).scaleb(_DECIMALS))


def in_currency(parts: int) -> Decimal:
    """The amount that so many parts are."""
    return Decimal(parts).scaleb(-_DECIMALS)


def written(amount: Decimal) -> str:
    """An amount as the wire has it: a decimal string without zeros at its end."""
    return format(amount.normalize() if amount else Decimal(0), "f")


def as_cost(parts: int | None) -> dict[str, str] | None:
    """`{amount, currency}`; None where it is not known."""
    return None if parts is None else {"amount": written(in_currency(parts)), "currency": CURRENCY}


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """Parts for one token: of the prompt, of the answer, and of what of the prompt was cached at the provider."""

    input: int
    output: int
    cached_input: int

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> int:
        """What a call costs; `cached_tokens` are among `prompt_tokens`."""
        cached = min(cached_tokens, prompt_tokens)
        return (prompt_tokens - cached) * self.input + cached * self.cached_input + completion_tokens * self.output


def per_million(amount: Decimal | str) -> int:
    """Parts for one token of what a million tokens cost."""
    return parts_of(amount) // 1_000_000


FREE: Final = ModelPrice(0, 0, 0)
