"""What is no longer accepted before its time: each process follows the auth service's feed (DESIGN §3).

A verified token is looked up here at every use, so that a revocation bites within the feed's interval whatever was
cached. A feed that has not been read for a minute accepts nothing: it can't know what was revoked meanwhile.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from kgents_shared.auth.principal import Principal
from kgents_shared.contracts.revocations import Revocation, RevocationPage
from kgents_shared.errors import Unavailable
from kgents_shared.follower import Follower

STALE_AFTER_S = 60.0
WAIT_S = 10.0
_SWEEP_EVERY_S = 60.0
_CATCH_UP_S = 1.0

# After a position; where nothing comes after it, that is waited for so many seconds.
ReadPage = Callable[[int, float], Awaitable[RevocationPage]]
_Key = tuple[Literal["session", "token"], str]


class Revocations(Protocol):
    """Says of each caller whether they still are one."""

    def refuses(self, principal: Principal) -> bool:
        """Whether the caller was revoked. Raises `Unavailable` where it can't be known."""
        ...

    @property
    def is_fresh(self) -> bool:
        """Whether it can be known."""
        ...

    async def catch_up(self) -> None:
        """Try to be fresh again, for a second at most. Raises nothing."""
        ...


class RevokedSet:
    """What was revoked, in memory. A row goes once every token that it means has expired."""

    is_fresh = True

    def __init__(self) -> None:
        self._epochs: dict[str, Revocation] = {}
        self._ended: dict[_Key, Revocation] = {}

    def add(self, rows: Sequence[Revocation]) -> None:
        """Take rows in the order of their positions."""
        for row in rows:
            if row.kind == "subject":
                known = self._epochs.get(row.subject)
                if known is None or known.epoch <= row.epoch:
                    self._epochs[row.subject] = row
            else:
                self._ended[row.kind, row.subject] = row

    async def catch_up(self) -> None:
        """Nothing: who fills it sees to that."""

    def forget_expired(self) -> None:
        """Drop the rows whose tokens have all expired."""
        now = time.time()
        self._epochs = {key: row for key, row in self._epochs.items() if row.expires_at > now}
        self._ended = {key: row for key, row in self._ended.items() if row.expires_at > now}

    def refuses(self, principal: Principal) -> bool:
        """Whether this caller's token, session or everything issued to them until then was revoked."""
        if self._is_over(principal.subject, principal.epoch) or ("token", principal.token_id) in self._ended:
            return True
        for subject, epoch in principal.depends_on:
            if self._is_over(subject, epoch):
                return True
        for token_id in principal.derived_from:
            if ("token", token_id) in self._ended:
                return True
        return principal.session_id is not None and ("session", principal.session_id) in self._ended

    def _is_over(self, subject: str, epoch: int) -> bool:
        newest = self._epochs.get(subject)
        return newest is not None and epoch < newest.epoch


class RevocationFeed:
    """Follows the feed: `read(position, wait_s)` gives what came after that position, and may wait for it."""

    def __init__(self, read: ReadPage, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._revoked = RevokedSet()
        self._position = 0
        self._read_at: float | None = None
        self._swept_at = clock()
        self._follower = Follower("kgents.auth.revocations", "revocations_away")
        self._tried = asyncio.Event()

    @property
    def is_fresh(self) -> bool:
        """Whether it was read within the last minute."""
        return self._read_at is not None and self._clock() - self._read_at <= STALE_AFTER_S

    async def answers(self) -> bool:
        """The probe behind /health."""
        return self.is_fresh

    def refuses(self, principal: Principal) -> bool:
        """See `Revocations.refuses`."""
        if not self.is_fresh:
            raise Unavailable(
                "What was revoked can't be known right now: the auth service is away.", code="revocations_unknown"
            )
        return self._revoked.refuses(principal)

    def wake(self) -> None:
        """Read again at once."""
        self._follower.wake()

    async def catch_up(self) -> None:
        """Wait for the end of a look that is made at once, however it ends.

        A process that stood still for a minute has looked at nothing since: its first caller would be turned away.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_S):
                for _ in range(2):  # the first that ends may have begun before the standstill
                    if not self.is_fresh:
                        self.wake()
                        await self._tried.wait()

    async def run(self) -> None:
        """Follow the feed, for ever; while the auth service is away, what was read stays in force."""
        await self._follower.run(self.read_on, self._let_go)

    def _let_go(self) -> None:
        # Who waits for this look is let go; who comes now waits for the next one.
        self._tried.set()
        self._tried = asyncio.Event()

    async def read_on(self) -> None:
        """Read all that is new. Raises what `read` raises."""
        asked_at = self._clock()
        wait_s = WAIT_S if self.is_fresh else 0.0  # whoever knows too little doesn't wait for more
        more = True
        while more:
            page = await self._read(self._position, wait_s)
            if page.position < self._position:  # the database was put back to an earlier state
                self._position = 0
                continue
            self._revoked.add(page.items)
            self._position, more = page.position, page.more
        self._read_at = asked_at
        if asked_at - self._swept_at > _SWEEP_EVERY_S:
            self._revoked.forget_expired()
            self._swept_at = asked_at
