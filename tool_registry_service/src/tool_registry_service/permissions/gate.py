"""The permission of each call, from rules that are as new as the call."""

from collections import OrderedDict
from collections.abc import Sequence

from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.calls import Refused
from tool_registry_service.permissions.decision import Asked, OwnerRules, denial
from tool_registry_service.permissions.repository import Marks, RuleReader

_MOST_OWNERS = 4096


class Permissions:
    """Answers for each call whether it may be made.

    Each call asks the database whether anything was changed for its owner, and reads the rules again where it was: a
    change holds for every process from the next call on, without a restart and without an event.
    """

    def __init__(self, reader: RuleReader, denied_here: Sequence[str]) -> None:
        self._reader = reader
        self.denied_here = denied_here
        self._kept: OrderedDict[str, tuple[Marks, OwnerRules]] = OrderedDict()

    async def rules_of(self, owner_id: str) -> OwnerRules:
        """What is said of an owner's calls at this moment."""
        marks = await self._reader.marks(owner_id)
        kept = self._kept.get(owner_id)
        if kept is None or kept[0] != marks:
            # Read after the marks: what changes in between has another mark, and is read by the next call.
            kept = self._kept[owner_id] = (marks, await self._reader.rules(owner_id))
            if len(self._kept) > _MOST_OWNERS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(owner_id)
        return kept[1]

    async def refusal(self, call: InvokeToolRequest) -> Refused | None:
        """Why a call may not be made; asked before it is known whether there is such a tool."""
        rules = await self.rules_of(call.owner_id)
        found = denial(Asked(call.name, call.agent_name, call.allow, call.deny), rules, self.denied_here)
        return None if found is None else Refused("denied", found.sentence, found.as_json())
