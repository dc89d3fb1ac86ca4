"""argon2id in a bounded number of threads, with a bound on who waits."""

import asyncio
import threading

import pytest

from auth_service.people.password_hasher import HashCost, PasswordHasher
from kgents_shared.errors import Unavailable
from kgents_shared.testing.polling import eventually

CHEAP = HashCost(memory_kib=64, rounds=1, parallelism=1)


class HeldHasher(PasswordHasher):
    """Whose threads wait for leave, so that a test decides how long a hash takes."""

    def __init__(self, *, threads: int, waiting: int) -> None:
        super().__init__(CHEAP, threads=threads, waiting=waiting)
        self.leave = threading.Event()
        self.leave.set()
        self.at_once = 0
        self.most_at_once = 0
        self._counting = threading.Lock()

    def _hash(self, password: str) -> str:
        with self._counting:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.leave.wait(timeout=30)
        hashed = super()._hash(password)
        with self._counting:
            self.at_once -= 1
        return hashed


async def test_no_more_than_the_given_number_of_hashes_run_at_once_and_the_line_is_bounded():
    async with HeldHasher(threads=2, waiting=3) as hasher:
        hasher.leave.clear()
        running = [asyncio.create_task(hasher.hash(f"password {number}")) for number in range(5)]
        await eventually(lambda: hasher.at_once == 2)
        with pytest.raises(Unavailable) as refused:
            await hasher.hash("one too many")
        assert refused.value.code == "logins_busy"
        assert refused.value.headers["Retry-After"] == "1"
        hasher.leave.set()
        assert len(set(await asyncio.gather(*running))) == 5
        assert hasher.most_at_once == 2
        await hasher.hash("there is room again")


async def test_a_caller_that_goes_away_does_not_make_room_before_its_thread_is_done():
    async with HeldHasher(threads=1, waiting=1) as hasher:
        hasher.leave.clear()
        leaving = asyncio.create_task(hasher.hash("first"))
        waiting = asyncio.create_task(hasher.hash("second"))
        await eventually(lambda: hasher.at_once == 1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        with pytest.raises(Unavailable):
            await hasher.hash("third")
        hasher.leave.set()
        assert (await hasher.check("second", await waiting)).right


async def test_a_hash_of_a_lower_cost_is_right_and_comes_back_better():
    async with PasswordHasher(CHEAP) as old:
        cheap = await old.hash("four words nobody joins")
    async with PasswordHasher(HashCost(memory_kib=128, rounds=2, parallelism=1)) as new:
        checked = await new.check("four words nobody joins", cheap)
        assert checked.right
        assert checked.better_hash is not None
        assert checked.better_hash.startswith("$argon2id$v=19$m=128,t=2,p=1$")
        again = await new.check("four words nobody joins", checked.better_hash)
        assert again.right
        assert again.better_hash is None
        assert (await new.check("another", cheap)).better_hash is None


async def test_nobody_has_the_password_of_nobody():
    async with PasswordHasher(CHEAP) as hasher:
        before = hasher.runs
        assert not (await hasher.check("", None)).right
        assert hasher.runs == before + 1
