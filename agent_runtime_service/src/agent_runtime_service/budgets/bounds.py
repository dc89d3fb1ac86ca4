"""What a bound is: how much of what, whose, and for how long."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid5

from agent_runtime_service.prices.money import CURRENCY, in_currency, parts_of, written
from kgents_shared.contracts.agent_spec import LimitsSpec

Scope = Literal["agent", "user", "organisation", "platform"]
Period = Literal["minute", "day", "month", "total"]
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OF_DEFINITIONS: Final = UUID("5f4c1d1c-7c0e-4c5b-9a39-0f3f8f0f6b11")


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `max_cost` parts of money and `max_units` (tokens, or messages) in each `period`; None is no bound.

    `name` is how it is called in a refusal. `scope` and `subject` say whose calls count.
    """

    id: UUID
    name: str
    scope: Scope
    subject: str
    period: Period
    max_cost: int | None
    max_units: int | None
    unit: Literal["tokens", "messages"] = "tokens"


@dataclass(frozen=True, slots=True)
class AgentBounds:
    """What an agent's own definition allows: in a day, and in messages a minute."""

    day: Bound | None = None
    minute: Bound | None = None


NO_BOUNDS: Final = AgentBounds()


def bounds_of(agent_id: UUID, agent_name: str, limits: LimitsSpec) -> AgentBounds:
    """The bounds that stand in a definition. Their ids are the same for every version and on every front."""
    day = minute = None
    if limits.max_tokens_per_day is not None or limits.max_cost_per_day is not None:
        cost = None if limits.max_cost_per_day is None else parts_of(limits.max_cost_per_day)
        name = f"the daily budget of {agent_name}'s definition"
        day = Bound(_id(agent_id, "day"), name, "agent", str(agent_id), "day", cost, limits.max_tokens_per_day)
    if limits.requests_per_minute is not None:
        name = f"{agent_name}'s messages a minute"
        most = limits.requests_per_minute
        minute = Bound(_id(agent_id, "minute"), name, "agent", str(agent_id), "minute", None, most, "messages")
    return AgentBounds(day, minute)


def began_at(period: Period, now: datetime) -> datetime:
    """When the window began that `now` (UTC) is in."""
    if period == "minute":
        return now.replace(second=0, microsecond=0)
    if period == "total":
        return _BEGINNING
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return day if period == "day" else day.replace(day=1)


def renews_at(period: Period, began: datetime) -> datetime | None:
    """When a window ends and the next begins; None for one that never ends."""
    if period == "total":
        return None
    if period == "minute":
        return began + timedelta(minutes=1)
    return began + timedelta(days=1) if period == "day" else (began + timedelta(days=32)).replace(day=1)


def told(cost: int | None, units: int | None, unit: str) -> str:
    """`0.25 USD`, `1200 tokens`, or both."""
    money = [] if cost is None else [f"{written(in_currency(cost))} {CURRENCY}"]
    counted = [] if units is None else [f"{units} {unit}"]
    return " and ".join(money + counted)


def _id(agent_id: UUID, period: str) -> UUID:
    return uuid5(_OF_DEFINITIONS, f"{agent_id}/{period}")
