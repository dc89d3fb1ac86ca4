"""What a stranger learns of who is known here: 1,000 samples each of login and register, known and unknown addresses.

`python -m benchmarks.enumeration [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.candidate import HOST
from benchmarks.child_process import StartFailed
from benchmarks.command import parser_of, tell
from benchmarks.cores import away_from, usable_cores
from benchmarks.identity.running import AuthProcess, UnexpectedAnswer, auth_process
from benchmarks.load.http_connection import BrokenAnswer, HttpConnection
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table

KNOWN, UNKNOWN = "known", "unknown"
LOGIN, REGISTER = "login with a wrong password", "register"
# Wrong passwords of one account and network before the next has to wait (auth_service.limits.service).
_GUESSES = 10
# Only those limits that a stranger from one network would run into first.
_UNLIMITED = {"AUTH_LIMIT_FAILURES_BURST": "100000", "AUTH_LIMIT_SIGN_UPS_BURST": "100000"}
# With 500 samples of each kind, chance alone is within 4 of 50 nineteen times of twenty.
_NO_BETTER_THAN_CHANCE = 55.0


@dataclass(slots=True)
class Results:
    """Everything that a run measured: what → kind → milliseconds, and the different answers that came."""

    machine: dict[str, object]
    times_ms: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])
    answers: dict[str, dict[str, list[str]]] = field(default_factory=dict[str, dict[str, list[str]]])

    def add(self, what: str, kind: str, spent_ms: float, answer: str) -> None:
        """Take one sample."""
        self.times_ms.setdefault(what, {}).setdefault(kind, []).append(spent_ms)
        told = self.answers.setdefault(what, {}).setdefault(kind, [])
        if answer not in told:
            told.append(answer)


class Stranger:
    """Asks one thing after the other over one connection."""

    def __init__(self, auth: AuthProcess, results: Results) -> None:
        self._known = [str(json.loads(login)["email"]) for login in auth.logins]
        self._connection = HttpConnection(HOST, auth.port)
        self._results = results

    async def ask(self, what: str, samples: int) -> None:
        """So many samples of each kind, in an order that nobody can tell. Raises BrokenAnswer, OSError."""
        kinds = [KNOWN, UNKNOWN] * samples
        random.Random(samples).shuffle(kinds)  # noqa: S311 -- the same order in every run
        for number, kind in enumerate(kinds):
            email = self._known[number % len(self._known)] if kind == KNOWN else f"{secrets.token_hex(8)}@example.org"
            request = self._request(what, email)
            began = time.perf_counter()
            answer = await self._connection.exchange(request)
            spent = time.perf_counter() - began
            told = {name: value for name, value in json.loads(answer.body).items() if name != "correlation_id"}
            self._results.add(what, kind, spent * 1000, f"{answer.status} {json.dumps(told, sort_keys=True)}")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _request(self, what: str, email: str) -> bytes:
        body = {"email": email, "password": secrets.token_urlsafe()}
        path = "login"
        if what == REGISTER:
            body["name"], path = "Ada", "register"
        encoded = json.dumps(body).encode()
        head = f"POST /api/v1/auth/{path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        return b"%bContent-Length: %d\r\n\r\n%b" % (head.encode(), len(encoded), encoded)


async def run(samples: int, service_core: int) -> Results:
    """Both ways to ask. Raises StartFailed, UnexpectedAnswer, BrokenAnswer, OSError."""
    results = Results(machine=machine())
    with tempfile.TemporaryDirectory(prefix="kgents-bench-") as folder:
        # A known address comes by the number of the sample, so that none has more than half of its guesses by far.
        people = max(2, samples * 4 // _GUESSES)
        async with auth_process(Path(folder), service_core, people, _UNLIMITED) as auth:
            stranger = Stranger(auth, results)
            try:
                for what in (LOGIN, REGISTER):
                    print(f"{what}: {samples} of each kind", file=sys.stderr, flush=True)
                    await stranger.ask(what, samples)
            finally:
                stranger.close()
    return results


def right_guesses(times: dict[str, list[float]]) -> float:
    """How often, in per cent, the better of two rules tells a known address from an unknown one by their times:
    "the slower is known", or "the faster is". 50 is chance.
    """
    ranked = sorted((spent, kind) for kind, spents in times.items() for spent in spents)
    slower = seen_unknown = 0
    for _, kind in ranked:
        if kind == UNKNOWN:
            seen_unknown += 1
        else:
            slower += seen_unknown
    share = slower / (len(times[KNOWN]) * len(times[UNKNOWN]))
    return 100 * max(share, 1 - share)


def rows(results: Results) -> list[Row]:
    """The table."""
    found: list[Row] = []
    for what, times in results.times_ms.items():
        told = {answer for answers in results.answers[what].values() for answer in answers}
        found += [
            Row(f"{what}, p50", "ms", {kind: median(spents) for kind, spents in times.items()}),
            Row(f"{what}, different answers", "", {KNOWN: float(len(told))}, final=Goal(1, "at most")),
            Row(
                f"{what}, right guesses by time",
                "%",
                {KNOWN: right_guesses(times)},
                final=Goal(_NO_BETTER_THAN_CHANCE, "at most"),
            ),
        ]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files; 1 if something failed."""
    parser = parser_of(
        "enumeration", "What answers tell of who is known.", "a short run that shows that it works, and no more"
    )
    chosen = parser.parse_args(arguments)
    core = usable_cores()[0]
    try:
        with away_from(core):
            results = uvloop.run(run(5 if chosen.quick else 500, core))
    except (StartFailed, UnexpectedAnswer, BrokenAnswer, OSError) as failure:
        print(f"bench enumeration: {failure}", file=sys.stderr, flush=True)
        return 1
    tell(chosen, table(rows(results), [UNKNOWN, KNOWN], KNOWN), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
