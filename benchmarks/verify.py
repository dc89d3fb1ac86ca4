"""What it costs a service to know who asks: the token verification that stands before every request.

`python -m benchmarks.verify [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, cast
from uuid import UUID

import uvloop
from jose import jwt

from benchmarks.check_times import CheckTimes
from benchmarks.command import MEDIANS, effort_of, parser_of, tell
from benchmarks.message_results import machine
from benchmarks.report import Row, rows_of_medians, table
from kgents_shared.auth import IdentitySource, RevocationFeed, TokenVerifier
from kgents_shared.auth.api_keys import new_key
from kgents_shared.contracts.revocations import ResolvedApiKey, Revocation, RevocationPage
from kgents_shared.errors import Unauthenticated
from kgents_shared.testing.tokens import TokenIssuer

REFERENCE, OURS = "jose", "Kgents"
COLD, CACHED = "a token never seen before", "a token seen before"
KEY, SLIP, REVOKED = "an API key seen before", "an API key with a slip of the pen, refused", "a revoked token, refused"
_FAR = 4_000_000_000
_SERVICE = "runtime"


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, tokens a round, uses a round of what was seen before, and revocations that the service knows."""

    rounds: int
    tokens: int
    uses: int
    revocations: int


FULL = Effort(7, 2_000, 50_000, 10_000)
QUICK = Effort(1, 50, 500, 100)


class OneKey:
    """Knows every API key, without asking anybody: what is measured is the cache before it."""

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        """Somebody's key."""
        return ResolvedApiKey(
            key_id=key[3:35], subject="ada", epoch=0, scopes=["agents:read"], roles=[], expires_at=_FAR
        )


class Subject:
    """The verifier as a service has it: a feed that was read, with revocations of others in it."""

    def __init__(self, effort: Effort) -> None:
        self.issuer = TokenIssuer()
        self.revoked_subject = "eve"
        rows = [
            Revocation(kind="session", subject=str(number), expires_at=_FAR) for number in range(effort.revocations)
        ]
        rows.append(Revocation(kind="subject", subject=self.revoked_subject, epoch=1, expires_at=_FAR))
        self._page = RevocationPage(position=len(rows), items=rows)
        self.feed = RevocationFeed(self._read)
        self.verifier = TokenVerifier(
            self.issuer.issuer, IdentitySource(self.issuer.keys, self.feed, OneKey()), _SERVICE
        )

    async def _read(self, position: int, wait_s: float) -> RevocationPage:
        del wait_s
        return self._page if position == 0 else self._page.model_copy(update={"items": []})

    def token(self, subject: str = "ada") -> str:
        """A person's token as the auth service issues them."""
        headers = self.issuer.person(subject, sid=str(UUID(int=1)), epoch=0, roles=["developer"])
        return headers["Authorization"].removeprefix("Bearer ")


async def timed(call: Callable[[str], Awaitable[object]], bearers: Sequence[str], uses: int) -> list[int]:
    """Nanoseconds of each of `uses` calls, the bearers in turn."""
    clock, times = time.perf_counter_ns, list[int]()
    for bearer in islice(cycle(bearers), uses):
        began = clock()
        await call(bearer)
        times.append(clock() - began)
    return times


async def measure_round(subject: Subject, effort: Effort, results: CheckTimes) -> None:
    """One round of everything."""
    await subject.feed.read_on()
    verify = subject.verifier.verify
    key = cast("Any", await subject.issuer.keys.key(subject.issuer.kid))

    async def decode(bearer: str) -> object:
        return jwt.decode(
            bearer, key, algorithms=["ES256"], issuer=subject.issuer.issuer, options={"verify_aud": False}
        )

    async def refused(bearer: str) -> object:
        try:
            return await verify(bearer)
        except Unauthenticated as error:
            return error

    tokens = [subject.token() for _ in range(effort.tokens)]
    results.add(COLD, REFERENCE, await timed(decode, tokens, effort.tokens))
    results.add(COLD, OURS, await timed(verify, tokens, effort.tokens))
    seen = tokens[: effort.tokens // 2]
    results.add(CACHED, OURS, await timed(verify, seen, effort.uses))
    keys = [new_key(UUID(int=number)) for number in range(effort.tokens // 2)]
    await timed(verify, keys, len(keys))
    results.add(KEY, OURS, await timed(verify, keys, effort.uses))
    slips = [each[:-1] + ("0" if each[-1] != "0" else "1") for each in keys]
    results.add(SLIP, OURS, await timed(refused, slips, len(slips)))
    revoked = [subject.token(subject.revoked_subject) for _ in range(effort.tokens // 2)]
    results.add(REVOKED, OURS, await timed(refused, revoked, len(revoked)))


async def run(effort: Effort) -> CheckTimes:
    """All rounds, on one verifier."""
    results = CheckTimes(machine=machine())
    subject = Subject(effort)
    for _ in range(effort.rounds):
        await measure_round(subject, effort, results)
    return results


def rows(results: CheckTimes) -> list[Row]:
    """The table: medians over the rounds."""
    goals = {COLD: 150.0, CACHED: 20.0, KEY: 20.0}
    return rows_of_medians(results.medians_us, "µs", goals)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("verify", "What it costs to know who asks.")
    parser.add_argument("--rounds", type=int, help=MEDIANS)
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    results = uvloop.run(run(effort))
    tell(chosen, table(rows(results), [REFERENCE, OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
