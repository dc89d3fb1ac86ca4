"""Which tries are counted, by what, and how many there are.

Wrong passwords are counted by account and network together, and by network alone: a stranger who guesses locks nobody
out, since the account's person comes from another network, and who guesses at many accounts runs into the second. That
one doesn't stop a person who came in from the same network before: what strangers beside them do is not theirs.

What went well is given back, so that nobody pays for logging in often. Secrets of machines and refresh tokens are long
and random: a right one is never refused, whatever came from its network before.
"""

import hashlib
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from auth_service.limits.failures import Failure, Failures
from auth_service.settings import AuthSettings
from auth_service.storage import Storage, Work
from kgents_shared.errors import TooManyRequests, Unauthenticated

_KNOWN_FOR_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `burst` at once, and one more each `every_s` seconds."""

    burst: int
    every_s: float


GUESSES_AT_ONE = Limit(10, 30)
MAILS_TO_ONE = Limit(3, 600)


class Limits:
    """Counts tries. `network` is the caller's, as `client_network` gives it."""

    def __init__(self, storage: Storage, settings: AuthSettings, failures: Failures) -> None:
        self._storage = storage
        self._failures = failures
        self._guesses = Limit(settings.limit_failures_burst, settings.limit_failures_every_s)
        self._visits = Limit(settings.limit_sign_ups_burst, settings.limit_sign_ups_every_s)

    @asynccontextmanager
    async def guessing(self, what: str, network: str, account: str) -> AsyncGenerator[None]:
        """A password that is tried: counted before, so that racers gain nothing, and given back where it is right.

        Raises TooManyRequests before the block where too many went wrong.
        """
        own = {_key("guess", "account", account, network): GUESSES_AT_ONE}
        both = {_key("guess", "network", network): self._guesses, **own}
        known = _key("known", account, network)
        taken = await self._take_guess(what, network, both, own, known)
        try:
            yield
        except Unauthenticated:
            self._failures.note(Failure(what, who=account))
            raise
        except Exception:
            await self._give_back(taken)
            raise
        await self._give_back(taken, known)

    async def wrong(self, what: str, network: str, who: str = "") -> None:
        """A long random secret was shown that is none. Raises TooManyRequests where that was often."""
        self._failures.note(Failure(what, who=who))
        await self._take(what, network, {_key("wrong", "network", network): self._guesses})

    async def visit(self, what: str, network: str) -> None:
        """Something that a stranger may ask for. Raises TooManyRequests."""
        await self._take(what, network, {_key(what, "network", network): self._visits})

    async def mail(self, what: str, address: str, network: str) -> None:
        """A mail to an address, known or not. Raises TooManyRequests."""
        limits = {_key(what, "network", network): self._visits, _key(what, "address", address): MAILS_TO_ONE}
        await self._take(what, network, limits)

    async def _take_guess(
        self, what: str, network: str, both: Mapping[str, Limit], own: Mapping[str, Limit], known: str
    ) -> Mapping[str, Limit]:
        async with self._storage.transaction() as work:
            wait_s = await _take_all(work, both)
            if wait_s == 0:
                return both
            if await work.limits.is_known(known):
                wait_s = await _take_all(work, own)
                if wait_s == 0:
                    return own
        raise self._refused(what, network, wait_s)

    async def _take(self, what: str, network: str, limits: Mapping[str, Limit]) -> None:
        async with self._storage.transaction() as work:
            wait_s = await _take_all(work, limits)
        if wait_s > 0:
            raise self._refused(what, network, wait_s)

    def _refused(self, what: str, network: str, wait_s: float) -> TooManyRequests:
        self._failures.note(Failure("limit", who=what, network=network))
        return TooManyRequests("Too many tries from here; wait and try again.", retry_after_s=math.ceil(wait_s))

    async def _give_back(self, limits: Mapping[str, Limit], known: str | None = None) -> None:
        async with self._storage.transaction() as work:
            for key, limit in limits.items():
                await work.limits.give_back(key, every_s=limit.every_s)
            if known is not None:
                await work.limits.remember(known, for_s=_KNOWN_FOR_S)


async def _take_all(work: Work, limits: Mapping[str, Limit]) -> float:
    """Take one of each, or none and the seconds after which all are there."""
    taken: list[tuple[str, Limit]] = []
    longest = 0.0
    for key, limit in limits.items():
        wait_s = await work.limits.take(key, burst=limit.burst, every_s=limit.every_s)
        longest = max(longest, wait_s)
        if wait_s == 0:
            taken.append((key, limit))
    if longest > 0:
        for key, limit in taken:
            await work.limits.give_back(key, every_s=limit.every_s)
    return longest


def _key(*parts: str) -> str:
    """A key of one length, in which no address is read."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
