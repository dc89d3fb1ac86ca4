"""Policies as an enforcement point knows them: waited for at governance, kept while it is away (DESIGN §8).

A process that never read them decides nothing: it can't know what is forbidden. One that has read them goes on with
what it knows.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from kgents_shared.contracts.policies import FedPolicy, PolicyPage
from kgents_shared.errors import Unavailable
from kgents_shared.follower import Follower
from kgents_shared.policies.calls import ALLOWED, PolicyDecision, PolicyDocument, ToolCallFacts

if TYPE_CHECKING:  # Cedar is loaded where there is a policy
    from kgents_shared.policies.engine import Policies

_MOST_PARSED = 1024
_WAIT_S = 10.0
_log = structlog.get_logger("kgents.policies")

_ByOwner = dict[str | None, dict[UUID, FedPolicy]]
# After a position; where nothing changed since, that is waited for so many seconds.
ReadPolicies = Callable[[int, float], Awaitable[PolicyPage]]


class PolicyFeed:
    """Follows the feed (`read(position, wait_s)`: what changed after that position) and decides by what it read."""

    def __init__(self, read: ReadPolicies) -> None:
        self._read = read
        self._position = 0
        self._known = asyncio.Event()
        self._follower = Follower("kgents.policies", "policies_away")
        self._by_owner: _ByOwner = {}
        self._parsed: OrderedDict[str, Policies] = OrderedDict()

    async def answers(self) -> bool:
        """The probe behind /health: whether policies are known."""
        return self._known.is_set()

    def wake(self) -> None:
        """Read again at once."""
        self._follower.wake()

    async def wait_until_known(self, timeout_s: float) -> None:
        """Wait for the first reading. Raises `Unavailable` where it doesn't come in time."""
        if self._known.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._known.wait()
                return
        raise Unavailable("Which policies hold can't be known right now.", code="policies_unknown")

    async def decide(self, facts: ToolCallFacts) -> PolicyDecision:
        """Whether a call may be made; only to be asked once they are known."""
        if None not in self._by_owner and facts.owner_id not in self._by_owner:
            return ALLOWED
        policies = self._parsed.get(facts.owner_id)
        if policies is None:
            try:
                policies = await self._parse(facts.owner_id)
            except ValueError as error:
                # Another version of Cedar or of the schema stored it: what it forbids isn't known here.
                _log.error("policy_not_understood", owner_id=facts.owner_id, reason=str(error))
                return PolicyDecision(False, (), f"No tool is called: {error}.")
        return policies.decide(facts)

    async def run(self) -> None:
        """Follow the feed, for ever; while governance is away, what was read stays in force."""
        await self._follower.run(self.read_on)

    async def read_on(self) -> None:
        """Read all that is new. Raises what `read` raises."""
        position, known, more = self._position, self._by_owner, True
        wait_s = _WAIT_S if self._known.is_set() else 0.0
        while more:
            page = await self._read(position, wait_s)
            if page.position < position:  # the database was put back to an earlier state: all of it is read anew,
                position, known = 0, {}  # and what was known holds until that is done
                continue
            for policy in page.items:
                _take(known, policy)
                self._forget_parsed(policy.owner_id)
            position, more = page.position, page.more
        if known is not self._by_owner:
            self._by_owner = known
            self._forget_parsed(None)
        self._position = position
        self._known.set()

    def _forget_parsed(self, owner_id: str | None) -> None:
        if owner_id is None:
            self._parsed.clear()
        else:
            self._parsed.pop(owner_id, None)

    async def _parse(self, owner_id: str) -> "Policies":
        """Beside the loop, since hundreds of rules take their time; again where they changed meanwhile."""
        while True:
            platform, own = self._documents(None), self._documents(owner_id)
            policies = await asyncio.to_thread(_parsed, platform, own)
            if (platform, own) == (self._documents(None), self._documents(owner_id)):
                break
        self._parsed[owner_id] = policies
        if len(self._parsed) > _MOST_PARSED:
            self._parsed.popitem(last=False)
        return policies

    def _documents(self, owner_id: str | None) -> list[PolicyDocument]:
        found = self._by_owner.get(owner_id, {}).values()
        return [PolicyDocument(str(policy.id), policy.name, policy.text) for policy in found]


def _take(known: _ByOwner, policy: FedPolicy) -> None:
    of_owner = known.setdefault(policy.owner_id, {})
    if policy.in_force:
        of_owner[policy.id] = policy
    else:
        of_owner.pop(policy.id, None)
    if not of_owner:
        del known[policy.owner_id]


def _parsed(platform: list[PolicyDocument], own: list[PolicyDocument]) -> "Policies":
    from kgents_shared.policies.engine import Policies  # noqa: PLC0415 -- see the import of it above

    return Policies(platform, own)
