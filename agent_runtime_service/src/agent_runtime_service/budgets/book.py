"""The budgets as every model call asks for them: in memory, by what they bound."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from agent_runtime_service.budgets.bounds import Bound, Scope

PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose call it is: the user's, of an agent that an owner has; and what the agent's definition allows in a day.

    `asker` is who it is made for, where the run is an organisation's: their budget holds there, too.
    """

    user: str
    agent_id: UUID | None = None
    agent_owner_id: str | None = None
    day: Bound | None = None
    asker: str | None = None


class BudgetBook:
    """Finds what bounds a call. `replace` puts in the budgets of the table."""

    def __init__(self) -> None:
        self._by: dict[tuple[Scope, str], tuple[Bound, ...]] = {}

    def replace(self, bounds: Iterable[Bound]) -> None:
        """The budgets are these from now on."""
        found: dict[tuple[Scope, str], tuple[Bound, ...]] = {}
        for bound in bounds:
            key = (bound.scope, bound.subject)
            found[key] = (*found.get(key, ()), bound)
        self._by = found

    def bounds(self, payer: Payer) -> tuple[Bound, ...]:
        """All that bounds a call of this payer's, the widest first."""
        own = () if payer.day is None else (payer.day,)
        if not self._by:
            return own
        by = self._by
        owner = payer.agent_owner_id or payer.user
        elsewhere = payer.asker is not None and payer.asker != payer.user
        agent = () if payer.agent_id is None else by.get(("agent", str(payer.agent_id)), ())
        return (
            *by.get(("platform", PLATFORM), ()),
            *by.get(("organisation", owner), ()),
            *by.get(("user", payer.user), ()),
            *(by.get(("user", payer.asker or ""), ()) if elsewhere else ()),
            *agent,
            *own,
        )
