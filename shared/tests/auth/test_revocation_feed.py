"""The feed of what was revoked: followed, late, away, put back; and who is refused by it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kgents_shared import follower
from kgents_shared.auth import (
    IdentitySource,
    NoApiKeys,
    Principal,
    RevocationFeed,
    RevokedSet,
    TokenVerifier,
)
from kgents_shared.auth.revocations import WAIT_S
from kgents_shared.contracts.revocations import Revocation, RevocationPage
from kgents_shared.errors import Unauthenticated, Unavailable
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer

SOON = time.time() + 900


class Table:
    """The auth service's table, in pages of two rows; `away` is raised while it is set."""

    def __init__(self) -> None:
        self.rows: list[Revocation] = []
        self.away: Exception | None = None
        self.asked: list[int] = []
        self.waited_for: list[float] = []

    def revoke(self, kind: Any, subject: str, epoch: int = 0, expires_at: float = SOON) -> None:
        self.rows.append(Revocation(kind=kind, subject=subject, epoch=epoch, expires_at=expires_at))

    async def page(self, position: int, wait_s: float) -> RevocationPage:
        self.asked.append(position)
        self.waited_for.append(wait_s)
        if self.away is not None:
            raise self.away
        shown = self.rows[position : position + 2]
        more = position + 2 < len(self.rows)
        return RevocationPage(position=position + 2 if more else len(self.rows), more=more, items=shown)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def principal(**more: Any) -> Principal:
    given: dict[str, Any] = {"subject": "ada", "kind": "person", "owner_id": "ada", "client_id": "kgents-cli"}
    given |= {"scopes": frozenset(), "roles": frozenset(), "token_id": "t1", "expires_at": int(SOON)}
    return Principal(**(given | more))


@asynccontextmanager
async def following(feed: RevocationFeed) -> AsyncGenerator[None]:
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(table: Table, clock: Clock) -> RevocationFeed:
    return RevocationFeed(table.page, clock=clock)


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
def verify(issuer: TokenIssuer, feed: RevocationFeed) -> Callable[..., Any]:
    verifier = TokenVerifier(issuer.issuer, IdentitySource(issuer.keys, feed, NoApiKeys()), "tools")

    async def verify(headers: dict[str, str]) -> Principal:
        return await verifier.verify(headers["Authorization"].removeprefix("Bearer "))

    return verify


async def test_nobody_is_let_in_before_the_feed_was_read(
    issuer: TokenIssuer, feed: RevocationFeed, verify: Callable[..., Any]
):
    with pytest.raises(Unavailable):
        await verify(issuer.person("ada"))
    assert not await feed.answers()


async def test_while_auth_is_away_callers_go_on_for_a_minute_and_then_nobody_does(
    issuer: TokenIssuer, table: Table, feed: RevocationFeed, clock: Clock, verify: Callable[..., Any]
):
    person = issuer.person("ada")
    await feed.read_on()
    table.away = Unavailable("Away.")
    clock.now += 60
    with pytest.raises(Unavailable):
        await feed.read_on()
    assert (await verify(person)).subject == "ada"
    clock.now += 0.1
    with pytest.raises(Unavailable):
        await verify(person)
    table.away = None
    await feed.read_on()
    assert (await verify(person)).subject == "ada"


async def test_the_first_caller_after_a_standstill_waits_for_a_look_instead_of_being_turned_away(
    issuer: TokenIssuer,
    table: Table,
    feed: RevocationFeed,
    clock: Clock,
    verify: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(follower, "POLL_S", 3600)
    ada, bob = issuer.person("ada"), issuer.person("bob")
    async with following(feed):
        assert (await verify(ada)).subject == "ada"
        clock.now += 61
        table.revoke("subject", "bob", 1)
        assert (await verify(ada)).subject == "ada"
        with pytest.raises(Unauthenticated):
            await verify(bob)
        clock.now += 61
        table.away = Unavailable("Away.")
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await verify(ada)
        assert time.monotonic() - began < 0.9


@pytest.mark.parametrize(
    ("kind", "subject", "epoch"), [("subject", "ada", 4), ("session", "login-1", 0), ("token", "token-1", 0)]
)
async def test_what_was_verified_before_is_refused_once_it_is_revoked(
    kind: str,
    subject: str,
    epoch: int,
    issuer: TokenIssuer,
    table: Table,
    feed: RevocationFeed,
    verify: Callable[..., Any],
):
    await feed.read_on()
    revoked = issuer.person("ada", sid="login-1", jti="token-1", epoch=3)
    after = issuer.person("ada", sid="login-2", jti="token-2", epoch=4)
    other = issuer.person("bob", sid="login-3", jti="token-3")
    assert (await verify(revoked)).session_id == "login-1"
    table.revoke(kind, subject, epoch)
    await feed.read_on()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verify(revoked)
    assert (await verify(after)).epoch == 4
    assert (await verify(other)).subject == "bob"


@pytest.mark.parametrize(
    ("kind", "subject", "epoch"),
    [
        ("subject", "app_1", 3), ("subject", "owner", 1), ("token", "first-token", 0), ("token", "second-token", 0),
        ("subject", "ada", 4), ("session", "login-1", 0), ("token", "token-1", 0),
    ],
)  # fmt: skip
async def test_a_token_that_was_exchanged_ends_with_everything_that_it_stands_on(
    kind: str,
    subject: str,
    epoch: int,
    issuer: TokenIssuer,
    table: Table,
    feed: RevocationFeed,
    verify: Callable[..., Any],
):
    await feed.read_on()
    claims: dict[str, Any] = {"sid": "login-1", "jti": "token-1", "epoch": 3, "act": {"sub": "app_1"}}
    claims |= {"depends_on": {"app_1": 2, "owner": 0}, "derived_from": ["first-token", "second-token"]}
    exchanged = issuer.person("ada", **claims)
    other = issuer.person("bob", depends_on={"app_1": 3, "owner": 1}, derived_from=["third-token"])
    assert (await verify(exchanged)).actor == "app_1"
    table.revoke(kind, subject, epoch)
    await feed.read_on()
    with pytest.raises(Unauthenticated):
        await verify(exchanged)
    assert (await verify(other)).subject == "bob"


async def test_a_service_is_revoked_like_anybody(
    issuer: TokenIssuer, table: Table, feed: RevocationFeed, verify: Callable[..., Any]
):
    await feed.read_on()
    service = issuer.service("runtime", "tools")
    assert (await verify(service)).kind == "service"
    table.revoke("subject", "runtime", 1)
    await feed.read_on()
    with pytest.raises(Unauthenticated):
        await verify(service)


async def test_a_long_feed_is_read_to_its_end_before_anybody_is_let_in(table: Table, feed: RevocationFeed):
    for number in range(5):
        table.revoke("token", f"t{number}")
    await feed.read_on()
    assert table.asked == [0, 2, 4]
    assert feed.refuses(principal(token_id="t4"))


async def test_news_are_waited_for_by_who_knows_enough_to_let_anybody_in(
    table: Table, feed: RevocationFeed, clock: Clock
):
    for _ in range(2):
        await feed.read_on()
    clock.now += 61
    for _ in range(2):
        await feed.read_on()
    assert table.waited_for == [0, WAIT_S, 0, WAIT_S]


async def test_a_database_that_was_put_back_is_read_from_its_beginning(table: Table, feed: RevocationFeed):
    table.revoke("token", "before")
    table.revoke("token", "lost")
    await feed.read_on()
    table.rows = []
    table.revoke("token", "again")
    await feed.read_on()
    assert feed.refuses(principal(token_id="again"))
    assert feed.refuses(principal(token_id="lost"))


async def test_whatever_goes_wrong_the_feed_is_read_again(
    table: Table, feed: RevocationFeed, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(follower, "POLL_S", 0.01)
    table.away = KeyError("position")
    table.revoke("token", "t1")
    async with following(feed):
        await eventually(lambda: len(table.asked) > 2, describe="it is asked again")
        table.away = None
        await eventually(lambda: feed.is_fresh and feed.refuses(principal()), describe="the feed is read")


async def test_a_feed_that_is_woken_doesnt_wait_for_its_turn(
    table: Table, feed: RevocationFeed, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(follower, "POLL_S", 3600)
    async with following(feed):
        await eventually(lambda: feed.is_fresh, describe="the first look")
        table.revoke("token", "t1")
        feed.wake()
        await eventually(lambda: feed.refuses(principal()), describe="the revocation is seen")


def test_a_revocation_goes_when_every_token_that_it_means_has_expired():
    revoked = RevokedSet()
    revoked.add([Revocation(kind="token", subject="t1", expires_at=time.time() - 1)])
    revoked.add([Revocation(kind="token", subject="t2", expires_at=SOON)])
    revoked.forget_expired()
    assert not revoked.refuses(principal(token_id="t1"))
    assert revoked.refuses(principal(token_id="t2"))


def test_rows_out_of_order_never_give_an_epoch_back():
    revoked = RevokedSet()
    revoked.add([Revocation(kind="subject", subject="ada", epoch=each, expires_at=SOON) for each in (2, 1)])
    assert revoked.refuses(principal(epoch=1))
    assert not revoked.refuses(principal(epoch=2))
