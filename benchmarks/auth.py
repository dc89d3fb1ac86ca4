"""How many people log in, and how many machines get a token, a second and vCPU of the auth service.

`python -m benchmarks.auth [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from benchmarks.candidate import HOST, WrongAnswers
from benchmarks.child_process import StartFailed
from benchmarks.command import effort_of, parser_of, tell
from benchmarks.cores import away_from, usable_cores
from benchmarks.identity.running import AuthProcess, UnexpectedAnswer, auth_process
from benchmarks.load.figures import LoadFigures
from benchmarks.load.repeated import RepeatPlan, repeat_in_process
from benchmarks.message_results import machine
from benchmarks.process_tree import cpu_seconds
from benchmarks.report import Goal, Row, table

# https://www.keycloak.org/high-availability/single-cluster/concepts-memory-and-cpu-sizing: what one vCPU is for.
SIZING = "Keycloak's sizing"
OURS = "Kgents"
LOGIN, APPLICATION, SERVICE = "password login", "client_credentials, an application", "client_credentials, a service"
PUBLISHED = {LOGIN: 15.0, APPLICATION: 120.0, SERVICE: 120.0}
_TOGETHER = 16
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, how long everything is asked for in each and in at most `most` requests, and by how many people."""

    rounds: int
    seconds: float
    warm_up_s: float
    most: int
    people: int


FULL = Effort(3, 6, 1, 1_000_000, 32)
QUICK = Effort(1, 2, 0, 8, 2)


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one kind of request; CPU in milliseconds a request."""

    what: str
    figures: LoadFigures
    cpu_ms: float
    cpu_beside_ms: float


@dataclass(slots=True)
class Results:
    """Everything that a run measured."""

    machine: dict[str, object]
    samples: list[Sample] = field(default_factory=list[Sample])


def plans(auth: AuthProcess, seconds: float, most: int) -> dict[str, RepeatPlan]:
    """What is asked for, by name."""
    login = RepeatPlan(
        host=HOST,
        port=auth.port,
        path="/api/v1/auth/login",
        content_type=_JSON,
        bodies=auth.logins,
        expects="refresh_token",
        concurrency=_TOGETHER,
        seconds=seconds,
        max_requests=most,
    )
    grant = replace(login, path="/api/v1/auth/token", content_type=_FORM, expects="access_token")
    return {
        LOGIN: login,
        APPLICATION: replace(grant, bodies=[auth.application]),
        SERVICE: replace(grant, bodies=[auth.service]),
    }


async def measure(auth: AuthProcess, what: str, plan: RepeatPlan) -> Sample:
    """Run a plan and count the CPU meanwhile. Raises WrongAnswers."""
    before, before_beside = cpu_seconds([auth.pid]), cpu_seconds(auth.beside)
    figures = await repeat_in_process(plan)
    spent, beside = cpu_seconds([auth.pid]) - before, cpu_seconds(auth.beside) - before_beside
    if figures.errors or not figures.messages:
        first = "; ".join(figures.first_errors)
        raise WrongAnswers(f"{what}: {figures.errors} errors, {figures.messages} good answers: {first}")
    return Sample(what, figures, spent * 1000 / figures.messages, beside * 1000 / figures.messages)


async def run(effort: Effort, service_core: int) -> Results:
    """All rounds, on one process. Raises StartFailed, UnexpectedAnswer, WrongAnswers."""
    results = Results(machine=machine())
    with tempfile.TemporaryDirectory(prefix="kgents-bench-") as folder:
        async with auth_process(Path(folder), service_core, effort.people) as auth:
            if effort.warm_up_s:
                for what, plan in plans(auth, effort.warm_up_s, effort.most).items():
                    await measure(auth, what, plan)
            for number in range(effort.rounds):
                for what, plan in plans(auth, effort.seconds, effort.most).items():
                    say(f"round {number + 1} of {effort.rounds}: {what}")
                    results.samples.append(await measure(auth, what, plan))
    return results


def rows(results: Results) -> list[Row]:
    """The table: the best of the rounds, since what else runs on the machine only takes away."""
    return [row for what in PUBLISHED for row in _rows_of(what, results.samples)]


def _rows_of(what: str, samples: Sequence[Sample]) -> list[Row]:
    def of_each(figure: Callable[[Sample], float]) -> list[float]:
        return [figure(sample) for sample in samples if sample.what == what]

    rate = max(of_each(lambda sample: sample.figures.per_second))
    return [
        Row(what, "1/s on one vCPU", {SIZING: PUBLISHED[what], OURS: rate}, final=Goal(1, "at least", SIZING)),
        Row(f"{what}, p50", "ms", {OURS: min(of_each(lambda sample: sample.figures.p50_ms))}),
        Row(f"{what}, CPU of the service", "ms", {OURS: min(of_each(lambda sample: sample.cpu_ms))}),
        Row(f"{what}, CPU of PostgreSQL and NATS", "ms", {OURS: min(of_each(lambda sample: sample.cpu_beside_ms))}),
    ]


def say(line: str) -> None:
    """Progress, on stderr: stdout has the table alone."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files; 1 if something failed."""
    parser = parser_of("auth", "What one vCPU of the auth service does.")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (the best is taken)")
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    cores = usable_cores()
    if len(cores) == 1:
        say("this machine has one core: the database and the load share it with the service")
    try:
        with away_from(cores[0]):
            results = uvloop.run(run(effort, cores[0]))
    except (StartFailed, UnexpectedAnswer, WrongAnswers) as failure:
        say(f"bench auth: {failure}")
        return 1
    tell(chosen, table(rows(results), [SIZING, OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
