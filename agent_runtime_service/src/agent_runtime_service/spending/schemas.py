"""Sums of the ledger on the wire."""

from typing import Literal

from agent_runtime_service.prices.money import CURRENCY
from kgents_shared.contracts.model import Contract

By = Literal["agent", "user", "model", "day"]


class UsageSum(Contract):
    """What calls took. `key` is an agent's id, a user's id, `provider/model` or a day (UTC); `name` an agent's name.

    `cost` sums the calls whose price was known; `unpriced_calls` counts the others. `tool_calls` are those of tools
    that have a price, and `tool_cost` is what of `cost` they took.
    """

    key: str
    name: str | None
    calls: int
    failed_calls: int
    answers_from_cache: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: str
    currency: Literal["USD"] = CURRENCY
    unpriced_calls: int
    tool_calls: int
    tool_cost: str


class UsageSums(Contract):
    """One sum for each key, the dearest first (days: the newest first)."""

    items: list[UsageSum]
    next_cursor: None = None
