"""What went wrong is counted in memory and told as events, so that a flood of failures is a few rows in the outbox."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from auth_service.limits.events import (
    LIMIT_REACHED,
    NOBODY,
    TOKEN_REFUSED,
    USER_LOGIN_FAILED,
    LimitReached,
    TokenRefused,
    UserLoginFailed,
)
from auth_service.storage import Storage, Work

_log = structlog.get_logger("auth.limits")
_EVERY_S = 60.0
_MOST_TOLD_APART = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """`what` failed for `who`: an address for `login`, a user's id for `password`, a client's id for `client`.

    For `limit`, `who` is the kind of try that there were too many of, and `network` where they came from.
    """

    what: str
    who: str = ""
    network: str = ""


class Failures:
    """Tells the first failure at once and what follows it once a minute, each with its number."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._counts: Counter[Failure] = Counter()
        self._noted = asyncio.Event()

    def note(self, failure: Failure) -> None:
        """Count a failure. Where very many are told apart already, it is counted as one of its kind."""
        if failure not in self._counts and len(self._counts) >= _MOST_TOLD_APART:
            failure = Failure(failure.what, failure.who if failure.what == "limit" else "")
        self._counts[failure] += 1
        self._noted.set()

    async def run(self) -> None:
        """Tell for ever; raises what went wrong, to be run again. What is left is told when the service ends."""
        try:
            while True:
                await self._noted.wait()
                await self.tell_now()
                await asyncio.sleep(_EVERY_S)
        finally:
            await self.tell_now()

    async def tell_now(self) -> None:
        """Write what was counted since the last time to the outbox."""
        counts, self._counts = self._counts, Counter()
        self._noted.clear()
        if not counts:
            return
        try:
            async with self._storage.transaction() as work:
                await _tell(work, counts)
        except BaseException:
            self._counts.update(counts)
            self._noted.set()
            raise
        for failure, times in counts.items():
            if failure.what == "limit":
                _log.warning("limit_reached", what=failure.who, network=failure.network or None, refusals=times)


async def _tell(work: Work, counts: Mapping[Failure, int]) -> None:
    users = await work.users.ids_of({failure.who for failure in counts if failure.what == "login"})
    clients = await work.clients.existing({failure.who for failure in counts if failure.what == "client"})
    persons: Counter[tuple[str, UUID | None]] = Counter()
    holders: Counter[tuple[str, str | None]] = Counter()
    for failure, times in counts.items():
        match failure.what:
            case "limit":
                told = LimitReached(what=failure.who, network=failure.network or None, refusals=times)
                await work.tell(LIMIT_REACHED, failure.who, told)
            case "login":
                persons["login", users.get(failure.who)] += times
            case "password":
                persons["password", UUID(failure.who) if failure.who else None] += times
            case what:
                holders[what, failure.who if failure.who in clients else None] += times
    for (what, user_id), times in persons.items():
        failed = UserLoginFailed(what=what, user_id=user_id, failures=times)
        await work.tell(USER_LOGIN_FAILED, user_id or NOBODY, failed)
    for (what, client_id), times in holders.items():
        refused = TokenRefused(what=what, client_id=client_id, failures=times)
        await work.tell(TOKEN_REFUSED, client_id or NOBODY, refused)
