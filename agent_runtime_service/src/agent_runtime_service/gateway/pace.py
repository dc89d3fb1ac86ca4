"""How fast one account at a provider is asked: by the operator's limits, and by what the provider itself says.

The generic cell rate algorithm: one number for a limit tells how long one has to wait, so that a line can be cut off.
The number is a row that all fronts share: each takes a stretch of the line, and lets its own requests into that.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent_runtime_service.gateway.pace_rows import PaceRows

_BYTES_PER_TOKEN: Final = 4
_MINUTE_S: Final = 60.0
# Of a minute's worth this much may come at once; the rest is spread, so that no minute has more than the limit.
_BURST: Final = 0.1
# Of what all fronts share: a stretch is taken for this long at least, and its places are good for as long after their
# time, for which so much less is given out.
_STRETCH_S: Final = 1.0
_SLACK: Final = 0.02
_SAME_S: Final = 1e-4  # what is left out of account of clocks and sums
_JITTER: Final = 0.1
# Whatever a server says: after this long it is asked again.
_LONGEST_PAUSE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """Requests and tokens of a minute by provider, and the longest (seconds) that a request waits for its turn.

    Without `rows` they are this front's alone.
    """

    requests: Mapping[str, int] = field(default_factory=dict[str, int])
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    patience_s: float = 10.0
    rows: PaceRows | None = None

    def of(self, provider: str, account: str) -> "AccountPace":
        """The pace of an account at that provider."""
        line = None if self.rows is None else Line(self.rows, f"{provider}/{account}")
        return AccountPace(self.requests.get(provider), self.tokens.get(provider), self.patience_s, line=line)


NO_LIMITS: Final = PaceLimits()


class TooFast(Exception):
    """One would wait longer than one may. `after_s` says how long."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"{after_s:.1f} s")
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Line:
    """The line before an account, in which all fronts stand."""

    rows: PaceRows
    account: str


class _Lacks(Exception):
    """A rate has no place left of the stretch that this front has."""

    def __init__(self, rate: "_Rate", amount: int) -> None:
        super().__init__()
        self.rate = rate
        self.amount = amount


class AccountPace:
    """One account's pace. Everybody who asks it waits for what one was told."""

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
        line: Line | None = None,
    ) -> None:
        self._requests = _Rate(requests_per_minute, "requests", line) if requests_per_minute else None
        self._tokens = _Rate(tokens_per_minute, "tokens", line) if tokens_per_minute else None
        self._patience_s = patience_s
        self._clock = clock
        self._paused_until = 0.0
        self._is_unbounded = self._requests is None and self._tokens is None

    async def turn(self, request_bytes: int, left_s: float) -> float:
        """Seconds to wait before asking; the place in the line of all fronts is taken. Raises `TooFast`."""
        while True:
            try:
                return self.turn_s(request_bytes, left_s)
            except _Lacks as lacks:
                rate, amount = lacks.rate, lacks.amount
            async with rate.lock:
                if rate.lacks(self._clock(), amount):
                    await rate.get_more(self._clock, amount, min(self._patience_s, left_s))

    def turn_s(self, request_bytes: int, left_s: float) -> float:
        """The same of what this front has already; where that isn't enough it raises what `turn` knows of."""
        now = self._clock()
        pause = self._paused_until - now
        if self._is_unbounded and pause <= 0:
            return 0.0
        tokens = request_bytes // _BYTES_PER_TOKEN
        waits = [pause]
        if self._requests is not None:
            waits.append(self._requests.wait_s(now))
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(now))
        wait = max(0.0, *waits)
        if wait > min(self._patience_s, left_s):
            raise TooFast(wait)
        for rate, amount in ((self._requests, 1), (self._tokens, tokens)):
            if rate is not None and rate.lacks(now, amount):
                raise _Lacks(rate, amount)
        if self._requests is not None:
            self._requests.take(now, 1)
        if self._tokens is not None:
            self._tokens.take(now, tokens)
        return wait * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 -- jitter

    def pause(self, after_s: float) -> None:
        """The provider takes nothing more for so long: nobody asks it meanwhile."""
        self._paused_until = max(self._paused_until, self._clock() + min(after_s, _LONGEST_PAUSE_S))

    async def pause_all(self, after_s: float) -> None:
        """The same on all fronts, where they stand in one line."""
        self.pause(after_s)
        for rate in (self._requests, self._tokens):
            if rate is not None:
                await rate.push(min(after_s, _LONGEST_PAUSE_S))


class _Rate:
    """So many in a minute. Its places are from `_due` until `_until`; a line of this front alone has no end."""

    def __init__(self, per_minute: int, what: str, line: Line | None) -> None:
        self._line = line
        self._name = "" if line is None else f"{line.account}: {what}"
        self._good_for_s = 0.0 if line is None else _STRETCH_S
        self._interval_s = _MINUTE_S / (per_minute * (1 - _BURST - (0.0 if line is None else _SLACK)))
        self._ahead_s = self._interval_s * max(per_minute * _BURST - 1, 0)
        self._due = 0.0
        self._until = math.inf if line is None else 0.0
        self._end = 0.0  # of the stretch, on the database's clock
        self._refused_until = 0.0
        self.lock = asyncio.Lock()

    def wait_s(self, now: float) -> float:
        return self._due - self._ahead_s - now

    def lacks(self, now: float, amount: int) -> bool:
        """Whether there is no place for so much."""
        due = max(self._due, now - self._good_for_s)
        return amount > 0 and due + self._interval_s * amount > self._until + _SAME_S

    def take(self, now: float, amount: int) -> None:
        self._due = max(self._due, now - self._good_for_s) + self._interval_s * amount

    async def get_more(self, clock: Callable[[], float], amount: int, patience_s: float) -> None:
        """Take a stretch that has a place for so much. Raises `TooFast` where that is too far away."""
        if self._line is None:
            return
        most_s = patience_s + self._ahead_s
        if (known_s := self._refused_until - clock()) > most_s:  # a line only grows
            raise TooFast(known_s - self._ahead_s)
        length_s = max(self._interval_s * amount, _STRETCH_S)
        found = await self._line.rows.take(self._name, length_s, most_s)
        now = clock()
        if isinstance(found, int | float):
            self._refused_until = now + found
            raise TooFast(max(found - self._ahead_s, patience_s))
        if found is None:
            self._due = max(self._due, self._until, now)
            self._until = self._due + length_s
        elif abs(found.end - found.length_s - self._end) < _SAME_S and self._until > now - self._good_for_s:
            self._until += length_s
            self._end = found.end
        else:  # another front came in between, or time went by
            self._due = now + found.start_s
            self._until = self._due + length_s
            self._end = found.end

    async def push(self, after_s: float) -> None:
        """Let no front have a place for so long."""
        if self._line is not None:
            await self._line.rows.push(self._name, after_s + self._ahead_s)
