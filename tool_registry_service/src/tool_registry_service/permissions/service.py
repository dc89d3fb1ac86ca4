"""The rules about rules."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from kgents_shared.contracts.tool_patterns import CAPABILITY, matching
from kgents_shared.db import PageRequest, new_id
from tool_registry_service.errors import CapabilityInUse, CapabilityNotFound, RuleNotFound, TooManyRules
from tool_registry_service.permissions.models import EVERYBODY, PermissionRule, ToolCapability
from tool_registry_service.permissions.repository import PermissionRepository, RuleFilter
from tool_registry_service.permissions.schemas import CapabilityBody, NewRule

MOST_RULES = 500
MOST_CAPABILITIES = 200


class PermissionService:
    """What may be done with the rules and capabilities of some owners."""

    def __init__(self, rows: PermissionRepository) -> None:
        self._rows = rows

    async def page(self, wanted: RuleFilter, request: PageRequest) -> Sequence[PermissionRule]:
        """`limit + 1` rules, newest first."""
        return await self._rows.page(wanted, request)

    async def add(self, owner_id: str, new: NewRule, by: str) -> tuple[PermissionRule, bool, list[str]]:
        """Make a rule: the rule, whether it is new, and what whoever made it may not expect.

        Raises:
            TooManyRules: there are as many as there may be.
        """
        agent = new.agent or ""
        if await self._rows.counted(owner_id) >= MOST_RULES:
            raise TooManyRules(f"There are {MOST_RULES} rules already: take some back, or use wider patterns.")
        before = await self._rows.of_level(owner_id, agent)
        values = {
            "id": new_id(), "owner_id": owner_id, "agent": agent, "effect": new.effect, "pattern": new.pattern,
            "note": new.note, "created_by": by, "created_at": datetime.now(UTC),
        }  # fmt: skip
        added = await self._rows.add(values)
        if added is not None:
            return added, True, [*_warnings(added, before), *await self._unknown(owner_id, new.pattern)]
        level = await self._rows.of_level(owner_id, agent)
        same = next(rule for rule in level if (rule.effect, rule.pattern) == (new.effect, new.pattern))
        return same, False, _warnings(same, [rule for rule in level if rule is not same])

    async def remove(self, rule_id: UUID) -> None:
        """Forget a rule; raises `RuleNotFound`."""
        if not await self._rows.remove(rule_id):
            raise RuleNotFound("There is no such rule.")

    async def capabilities(self) -> Sequence[ToolCapability]:
        """All of them, by name."""
        return await self._rows.capabilities()

    async def capability(self, owner_ids: Sequence[str], name: str) -> ToolCapability:
        """The first owner's that has one of that name; raises `CapabilityNotFound`."""
        for owner_id in owner_ids:
            if (found := await self._rows.capability(owner_id, name)) is not None:
                return found
        raise CapabilityNotFound(f"There is no capability named {name}.")

    async def put_capability(
        self, owner_id: str, name: str, body: CapabilityBody, by: str
    ) -> tuple[ToolCapability, bool]:
        """Make or change a capability; True where it is new."""
        known = await self._rows.capabilities()
        if len(known) >= MOST_CAPABILITIES and all(row.name != name for row in known):
            raise TooManyRules(f"There are {MOST_CAPABILITIES} capabilities already: delete some.")
        return await self._rows.put_capability(
            {
                "owner_id": owner_id, "name": name, "description": body.description, "patterns": body.patterns,
                "updated_by": by, "updated_at": datetime.now(UTC),
            }
        )  # fmt: skip

    async def remove_capability(self, owner_id: str, name: str) -> None:
        """Forget a capability that no rule names. Raises `CapabilityNotFound`, `CapabilityInUse`."""
        if await self._rows.naming(owner_id, f"{CAPABILITY}{name}"):
            raise CapabilityInUse(f"A rule names {CAPABILITY}{name}: take that back first.")
        if not await self._rows.remove_capability(owner_id, name):
            raise CapabilityNotFound(f"There is no capability named {name}.")

    async def _unknown(self, owner_id: str, pattern: str) -> list[str]:
        """A sentence where a rule names a capability that there is not."""
        name = pattern.removeprefix(CAPABILITY)
        if name == pattern:
            return []
        for owner in (owner_id, EVERYBODY):
            if await self._rows.capability(owner, name) is not None:
                return []
        return [f"There is no capability {name} yet: until there is, allowing it allows nothing, denying it all."]


def _warnings(rule: PermissionRule, others: Sequence[PermissionRule]) -> list[str]:
    found: list[str] = []
    if rule.effect == "allow":
        if not any(other.effect == "allow" for other in others):
            found.append("It is the first allow of its level: from now on nothing else passes there.")
        denying = [other.pattern for other in others if other.effect == "deny"]
        if (pattern := matching(rule.pattern, denying)) is not None:
            found.append(f"It has no effect: the rule that denies {pattern} wins.")
    return found
