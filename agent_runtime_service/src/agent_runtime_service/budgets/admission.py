"""A model call and its money: an estimate set aside before, what it took settled after."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent_runtime_service.budgets.book import BudgetBook, Payer
from agent_runtime_service.budgets.bounds import Bound
from agent_runtime_service.budgets.purses import PATIENCE_S, Purses, Reservation
from agent_runtime_service.budgets.request_images import images_in
from agent_runtime_service.errors import BudgetExhausted, PriceUnknown
from agent_runtime_service.prices.book import PriceBook
from agent_runtime_service.prices.money import ModelPrice

# A token of any of the common tokenizers stands for two bytes of text or more, on the whole of a prompt.
_BYTES_PER_TOKEN: Final = 2
_TOKENS_OF_IMAGE: Final = 3000
_LEAST_ENCODED: Final = 2000
_ENCODED: Final = re.compile(rb"[A-Za-z0-9+/=]{%d}" % _LEAST_ENCODED)
# What an answer may have where the version says nothing, while a budget holds; and the least that is worth asking for.
MOST_ANSWER_TOKENS: Final = 4096
_LEAST_ANSWER_TOKENS: Final = 256


@dataclass(slots=True)
class Admitted:
    """A call that may be made. `max_tokens` is the most that its answer may have; None: whatever the version says."""

    price: ModelPrice | None
    max_tokens: int | None = None
    reservation: Reservation | None = None
    counted_at: ModelPrice | None = None

    def settle(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> int | None:
        """The call is over; what it cost, None where its price is not known."""
        price = self.price
        cost = None if price is None else price.of(prompt_tokens, completion_tokens, cached_tokens)
        if self.reservation is not None:
            counted = cost
            if counted is None and self.counted_at is not None:
                counted = self.counted_at.of(prompt_tokens, completion_tokens, cached_tokens)
            self.reservation.settle(counted or 0, prompt_tokens + completion_tokens)
        return cost


@dataclass(frozen=True, slots=True)
class ModelCost:
    """The model that is asked and what it costs; `counted_at` is its price to budgets, where nobody knows one."""

    provider: str
    model: str
    price: ModelPrice | None
    counted_at: ModelPrice | None


class ModelBudgets:
    """Admits model calls. `unknown` is what models cost in budgets whose price nobody knows; None refuses them."""

    def __init__(self, prices: PriceBook, book: BudgetBook, purses: Purses, unknown: ModelPrice | None = None) -> None:
        self._prices = prices
        self._book = book
        self._purses = purses
        self._unknown = unknown

    def price(self, provider: str, model: str) -> ModelPrice | None:
        """What the model costs; None where nobody knows."""
        return self._prices.price(provider, model)

    def bounds(self, payer: Payer) -> tuple[Bound, ...]:
        """What bounds a call of this payer's; mostly nothing, and then nothing is set aside."""
        return self._book.bounds(payer)

    async def admit(
        self, bounds: Sequence[Bound], provider: str, model: str, request: bytes, max_tokens: int | None
    ) -> Admitted:
        """Set aside what a call may take at most. Near a budget's end its answer may have fewer tokens.

        Raises `BudgetExhausted`, and `PriceUnknown` where a budget in money holds and nobody said what the model costs.
        """
        price = self.price(provider, model)
        counted_at = price or self._unknown
        if counted_at is None and any(bound.max_cost is not None for bound in bounds):
            raise PriceUnknown(
                f"Nobody said what {model} of {provider} costs, and a budget in money holds for this agent: an "
                "administrator can, with `kgents models prices set`."
            )
        cost = ModelCost(provider, model, price, counted_at)
        prompt = estimated_tokens(request)
        answer = MOST_ANSWER_TOKENS if max_tokens is None else max_tokens
        least = min(answer, _LEAST_ANSWER_TOKENS)
        try:
            return await self._reserved(bounds, cost, prompt, answer, patience_s=0)
        except BudgetExhausted as exhausted:
            fewer = min(answer, _affordable(exhausted, cost.counted_at, prompt))
        if fewer > least:
            try:
                return await self._reserved(bounds, cost, prompt, fewer, patience_s=0)
            except BudgetExhausted:  # others were faster
                return await self._reserved(bounds, cost, prompt, least)
        return await self._reserved(bounds, cost, prompt, least)

    async def set_aside(self, bounds: Sequence[Bound], cost: int) -> Reservation:
        """Set aside money alone. Raises `BudgetExhausted`."""
        return await self._purses.reserve(bounds, cost, 0)

    async def take_one(self, bound: Bound) -> None:
        """Count one message. Raises `BudgetExhausted` with the code `too_many_messages`."""
        reservation = self._purses.try_reserve((bound,), 0, 1) or await self._purses.reserve((bound,), 0, 1)
        reservation.settle(0, 1)

    async def _reserved(
        self, bounds: Sequence[Bound], cost: ModelCost, prompt: int, answer: int, patience_s: float = PATIENCE_S
    ) -> Admitted:
        at = cost.counted_at
        amount = 0 if at is None else prompt * max(at.input, at.cached_input) + answer * at.output
        reservation = await self._purses.reserve(bounds, amount, prompt + answer, patience_s)
        return Admitted(cost.price, answer, reservation, at)


def estimated_tokens(request: bytes) -> int:
    """More tokens than a request has: images count as so many, text by its bytes.

    An image is what stands where a wire has one; what only looks like its data is text, and many tokens.
    """
    size = len(request)
    if size <= _LEAST_ENCODED or _ENCODED.search(request) is None:
        return size // _BYTES_PER_TOKEN
    images = list(images_in(request))
    text = size - sum(map(len, images))
    return max(text, 0) // _BYTES_PER_TOKEN + len(images) * _TOKENS_OF_IMAGE


def _affordable(exhausted: BudgetExhausted, at: ModelPrice | None, prompt: int) -> int:
    """How many tokens an answer may have for what is free."""
    left_cost, left_units = exhausted.free
    fewer = [10**9]
    if left_units is not None:
        fewer.append(left_units - prompt)
    if left_cost is not None and at is not None and at.output > 0:
        fewer.append((left_cost - prompt * max(at.input, at.cached_input)) // at.output)
    return min(fewer)
