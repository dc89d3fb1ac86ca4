"""argon2id through passlib's API, in a few threads of its own and with a bound on who waits."""

import asyncio
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from passlib.handlers.argon2 import argon2

from kgents_shared.errors import Unavailable

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs: KiB of memory, passes over it, lanes."""

    memory_kib: int
    rounds: int
    parallelism: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the password was right, and its hash at today's cost where the old one was cheaper."""

    right: bool
    better_hash: str | None = None


_WRONG = Checked(right=False)
_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}")
# What bcrypt reads of a password; two that differ later only would be the same to it.
BCRYPT_BYTES = 72


def is_bcrypt(known: str) -> bool:
    """Whether this is a bcrypt hash, as other systems export them."""
    return _BCRYPT.fullmatch(known) is not None


def is_known_hash(known: str) -> bool:
    """Whether this is a hash that somebody may come over with: bcrypt or argon2id."""
    return is_bcrypt(known) or known.startswith("$argon2id$")


def _is_bcrypts(password: str, known: str) -> bool:
    from passlib.handlers.bcrypt import bcrypt  # noqa: PLC0415 -- for imported accounts alone

    given = password.encode()
    try:
        right = bool(cast("Any", bcrypt).verify(given[:BCRYPT_BYTES], known))
    except ValueError:  # a NUL in it, which bcrypt can't have hashed
        return False
    return right and len(given) <= BCRYPT_BYTES


class PasswordHasher:
    """Hashes and checks passwords, at most `threads` at once and `waiting` more in line.

    One that finds the line full gets `Unavailable`: memory and time stay bounded whatever the number of logins.
    `runs` counts the argon2 computations that were made.
    """

    def __init__(self, cost: HashCost, *, threads: int = 2, waiting: int = 64) -> None:
        # passlib is untyped here: `using` gives a hasher class with these parameters.
        self._scheme: Any = cast("Any", argon2).using(
            type="ID", memory_cost=cost.memory_kib, rounds=cost.rounds, parallelism=cost.parallelism
        )
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="argon2")
        self._free = threads + waiting
        self._nobodys: str | None = None
        self.runs = 0

    async def __aenter__(self) -> Self:
        self._nobodys = await self.hash(secrets.token_urlsafe())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The argon2id hash of `password`, in PHC string form."""
        return await self._run(lambda: self._hash(password))

    async def check(self, password: str, known: str | None) -> Checked:
        """Whether `password` is that of the hash `known`; for None the same work is done and the answer is no."""
        if self._nobodys is None:
            raise RuntimeError("the hasher is not open")
        against = self._nobodys if known is None else known
        checked = await self._run(lambda: self._check(password, against))
        return checked if known is not None else Checked(right=False)

    def _hash(self, password: str) -> str:
        self.runs += 1
        return str(self._scheme.hash(password))

    def _check(self, password: str, known: str) -> Checked:
        self.runs += 1
        if is_bcrypt(known):
            return Checked(right=True, better_hash=self._hash(password)) if _is_bcrypts(password, known) else _WRONG
        if not self._scheme.verify(password, known):
            return _WRONG
        return Checked(right=True, better_hash=self._hash(password) if self._scheme.needs_update(known) else None)

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._free <= 0:
            raise Unavailable("Too many people are logging in at this moment; try again.", code="logins_busy")
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Given back when the thread is done, not when the caller has gone: a caller that leaves frees no thread.
        future.add_done_callback(self._give_back)
        return await asyncio.shield(future)

    def _give_back(self, done: asyncio.Future[Any]) -> None:
        self._free += 1
        if not done.cancelled():
            done.exception()  # fetched, since a caller that has gone won't
