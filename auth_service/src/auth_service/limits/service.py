"""Which tries are counted, by what, and how many there are.

Wrong passwords are counted by account and network together, and by network alone: a stranger who guesses locks nobody
out, since the account's person comes from another network, and who guesses at many accounts runs into the second.
What went well is given back, so that nobody pays for logging in often.
"""

import hashlib
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from auth_service.limits.events import LIMIT_REACHED, LimitReached
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from auth_service.tokens.oauth_errors import OAuthError
from kgents_shared.db import new_id
from kgents_shared.errors import TooManyRequests, Unauthenticated


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `burst` at once, and one more each `every_s` seconds."""

    burst: int
    every_s: float


GUESSES_AT_ONE = Limit(10, 30)
MAILS_TO_ONE = Limit(3, 600)


class Limits:
    """Counts tries. `network` is the caller's, as `client_network` gives it."""

    def __init__(self, storage: Storage, settings: AuthSettings) -> None:
        self._storage = storage
        self._guesses = Limit(settings.limit_failures_burst, settings.limit_failures_every_s)
        self._visits = Limit(settings.limit_sign_ups_burst, settings.limit_sign_ups_every_s)

    @asynccontextmanager
    async def guessing(self, what: str, network: str, *, account: str | None = None) -> AsyncGenerator[None]:
        """A try to show who one is. Counted where the block refuses it, given back where it doesn't.

        `account` is left out where what is guessed at is long and random. Raises TooManyRequests before the block where
        too many went wrong.
        """
        keys = {_key(what, "network", network): self._guesses}
        if account is not None:
            keys[_key(what, "account", account, network)] = GUESSES_AT_ONE
        await self._take(what, keys)
        try:
            yield
        except Exception as error:
            if not _is_wrong_guess(error):
                await self._give_back(keys)
            raise
        await self._give_back(keys)

    async def visit(self, what: str, network: str) -> None:
        """Something that a stranger may ask for. Raises TooManyRequests."""
        await self._take(what, {_key(what, "network", network): self._visits})

    async def mail(self, what: str, address: str, network: str) -> None:
        """A mail to an address, known or not. Raises TooManyRequests."""
        keys = {_key(what, "network", network): self._visits, _key(what, "address", address): MAILS_TO_ONE}
        await self._take(what, keys)

    async def _take(self, what: str, keys: dict[str, Limit]) -> None:
        taken: dict[str, Limit] = {}
        async with self._storage.transaction() as work:
            for key, limit in keys.items():
                wait_s = await work.limits.take(key, burst=limit.burst, every_s=limit.every_s)
                if wait_s > 0:
                    for before, its in taken.items():
                        await work.limits.give_back(before, every_s=its.every_s)
                    # One event a limit and refill, however many tries are refused meanwhile.
                    if not await work.limits.take(f"told:{key}", burst=1, every_s=max(limit.every_s, 60)):
                        await work.tell(LIMIT_REACHED, new_id(), LimitReached(what=what))
                    break
                taken[key] = limit
            else:
                return
        raise TooManyRequests("Too many tries from here; wait and try again.", retry_after_s=math.ceil(wait_s))

    async def _give_back(self, keys: dict[str, Limit]) -> None:
        async with self._storage.transaction() as work:
            for key, limit in keys.items():
                await work.limits.give_back(key, every_s=limit.every_s)


def _is_wrong_guess(error: Exception) -> bool:
    return isinstance(error, Unauthenticated) or (isinstance(error, OAuthError) and error.code == "invalid_client")


def _key(*parts: str) -> str:
    """A key that holds no address: who reads the table learns nothing of who tried."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
