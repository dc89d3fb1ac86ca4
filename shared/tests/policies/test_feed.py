"""Policies as an enforcement point knows them."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from kgents_shared.contracts.policies import FedPolicy, PolicyPage
from kgents_shared.errors import Unavailable
from kgents_shared.policies.calls import ToolCallFacts
from kgents_shared.policies.feed import PolicyFeed
from kgents_shared.testing.polling import eventually

CALL = ToolCallFacts("ann", "a-1", "helper", "ann", 0, "mail.send", "mail", "mcp", "external", (), 2, 1_763_737_200)
FORBID = "forbid (principal, action, resource);"


@dataclass
class Governance:
    """What stands where governance does: changes by position, two a page."""

    changes: list[FedPolicy] = field(default_factory=list[FedPolicy])
    is_away: bool = False
    waited_for: list[float] = field(default_factory=list[float])

    def tell(self, owner: str | None, text: str, policy_id: UUID | None = None, *, in_force: bool = True) -> UUID:
        found = policy_id or uuid4()
        self.changes.append(FedPolicy(id=found, owner_id=owner, name="p", text=text, version=1, in_force=in_force))
        return found

    async def read(self, after: int, wait_s: float) -> PolicyPage:
        self.waited_for.append(wait_s)
        if self.is_away:
            raise Unavailable("not now")
        items = tuple(self.changes[after : after + 2])
        position = min(after, len(self.changes)) + len(items)
        return PolicyPage(position=position, more=position < len(self.changes), items=items)


async def allowed(feed: PolicyFeed) -> bool:
    await feed.read_on()
    return (await feed.decide(CALL)).allowed


async def test_what_was_never_known_is_waited_for_and_then_refused() -> None:
    governance = Governance(is_away=True)
    feed = PolicyFeed(governance.read)
    with pytest.raises(Unavailable) as refused:
        await feed.wait_until_known(0.01)
    assert refused.value.code == "policies_unknown"
    assert not await feed.answers()
    governance.is_away = False
    running = asyncio.create_task(feed.run())
    await feed.wait_until_known(10)
    running.cancel()
    assert await feed.answers()


async def test_the_first_reading_waits_for_no_change() -> None:
    governance = Governance()
    feed = PolicyFeed(governance.read)
    for _ in range(2):
        await feed.read_on()
    first, second = governance.waited_for
    assert first == 0 < second


async def test_a_change_holds_once_it_was_read_and_goes_on_while_governance_is_away() -> None:
    governance = Governance()
    feed = PolicyFeed(governance.read)
    assert await allowed(feed)
    policy = governance.tell("ann", FORBID)
    assert not await allowed(feed)
    governance.is_away = True
    with pytest.raises(Unavailable):
        await feed.read_on()
    assert not (await feed.decide(CALL)).allowed
    governance.is_away = False
    governance.tell("ann", "", policy, in_force=False)
    assert await allowed(feed)


async def test_policies_of_others_decide_nothing_and_the_platforms_decide_for_all() -> None:
    governance = Governance()
    feed = PolicyFeed(governance.read)
    for other in range(5):
        governance.tell(f"other-{other}", FORBID)
    assert await allowed(feed)
    platform = governance.tell(None, FORBID)
    assert not await allowed(feed)
    governance.tell(None, "", platform, in_force=False)
    assert await allowed(feed)


async def test_a_database_that_was_put_back_is_read_anew_and_nothing_is_let_through_meanwhile() -> None:
    governance = Governance()
    feed = PolicyFeed(governance.read)
    for number in range(3):
        governance.tell("ann", f'forbid (principal, action, resource == Tool::"x.y{number}");')
    kept = governance.tell("ann", FORBID)
    assert not await allowed(feed)
    del governance.changes[:3]
    assert not await allowed(feed)
    assert governance.changes[0].id == kept
    governance.changes.clear()
    assert await allowed(feed)


async def test_a_policy_that_can_not_be_read_here_lets_nothing_through() -> None:
    governance = Governance()
    feed = PolicyFeed(governance.read)
    governance.tell("ann", "surely (no, policy);")
    await feed.read_on()
    decision = await feed.decide(CALL)
    assert not decision.allowed
    assert "the policy p can't be read" in decision.reason


async def test_news_is_read_at_once() -> None:
    governance = Governance()
    feed = PolicyFeed(governance.read)
    running = asyncio.create_task(feed.run())
    await feed.wait_until_known(10)
    governance.tell("ann", FORBID)
    feed.wake()
    await eventually(lambda: _denied(feed))
    running.cancel()


async def _denied(feed: PolicyFeed) -> bool:
    return not (await feed.decide(CALL)).allowed
