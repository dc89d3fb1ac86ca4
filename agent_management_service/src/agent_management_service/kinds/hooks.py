"""What happens around each change of a kind: hooks before and after it is made, changed and deleted.

A hook runs in the change's transaction. One that runs before refuses the change by raising; whatever one that runs
after writes stands or falls with it.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from agent_management_service.kinds.events import KindEvents
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.models import KindRow
from agent_management_service.kinds.repository import Columns, KindRepositories


class Moment(StrEnum):
    """When a hook runs."""

    PRE_CREATE = "pre_create"
    POST_CREATE = "post_create"
    PRE_UPDATE = "pre_update"
    POST_UPDATE = "post_update"
    PRE_DELETE = "pre_delete"
    POST_DELETE = "post_delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `row` is the thing where it is stored at that moment, `columns` what it is given.

    Before a creation there is no row yet; a deletion gives no columns.
    """

    kind: Kind
    owner_id: str
    row: KindRow | None = None
    columns: Columns | None = None


@dataclass(frozen=True, slots=True)
class HookWork:
    """What hooks work with: the transaction's repositories and events."""

    kinds: KindRepositories
    events: KindEvents


Hook = Callable[[HookWork, Moment, Change], Awaitable[None]]


class HookRegistry:
    """Hooks by kind and moment; they run in the order in which they were added."""

    def __init__(self) -> None:
        self._hooks: defaultdict[tuple[Kind, Moment], list[Hook]] = defaultdict(list)

    def add(self, hook: Hook, moments: Iterable[Moment], kinds: Iterable[Kind] = tuple(Kind)) -> None:
        """Run `hook` at these moments of these kinds."""
        whose = tuple(kinds)
        for moment in moments:
            for kind in whose:
                self._hooks[kind, moment].append(hook)

    async def run(self, moment: Moment, work: HookWork, change: Change) -> None:
        """Run what was added for this moment; the first that raises ends it."""
        for hook in self._hooks.get((change.kind, moment), ()):
            await hook(work, moment, change)
