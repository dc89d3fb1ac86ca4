"""What it takes to read and judge a definition, and to make the pages that describe definitions.

`python -m benchmarks.definitions [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.command import MEDIANS, effort_of, parser_of, tell
from benchmarks.message_results import machine
from benchmarks.report import Row, median, rows_of_medians, table
from kgents_cli.checks.references import pages
from kgents_shared.definitions.examine import examine
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.reference import EXAMPLES
from kgents_shared.definitions.writing import to_toml

REFERENCE, OURS = "tomllib", "Kgents"
TYPICAL, LONG, FAULTY = "parse + validate, 20 lines", "parse + validate, a prompt of 60,000 characters", "20 faults"
SECURITY, WRITTEN, PAGES = "limits, secrets and rules of 100 patterns", "a spec as TOML", "all pages and the schema"
_LIMITS = SystemLimits(memory_mb=1024, max_steps=50, timeout_s=600, max_tokens=8000, providers=("openai", "echo"))


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, and how often each thing is done in one."""

    rounds: int
    times: int


FULL = Effort(7, 300)
QUICK = Effort(1, 10)


@dataclass(slots=True)
class Results:
    """Everything that a run measured: what → candidate → milliseconds, the median of each round."""

    machine: dict[str, object]
    medians_ms: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])

    def add(self, what: str, candidate: str, times_ns: Sequence[int]) -> None:
        """Take the times of single calls."""
        self.medians_ms.setdefault(what, {}).setdefault(candidate, []).append(median(times_ns) / 1e6)


def definitions() -> dict[str, bytes]:
    """What is read, by name: each valid but for the one with faults."""
    typical = EXAMPLES[2][1] + '\n[tools]\nallow = ["files.*", "search.web"]\ndeny = ["files.write"]\n'
    prompt = "Look at what was asked, and answer in words that fit.\n" * 1100
    allow = ", ".join(f'"server{number}.tool*"' for number in range(100))
    unknown = "".join(f"field{number} = {number}\n" for number in range(20))
    return {
        TYPICAL: typical.encode(),
        LONG: f'name = "long"\nsystem_prompt = """\n{prompt}"""\n'.encode(),
        FAULTY: (unknown + typical).encode(),
        SECURITY: f'name = "many"\nsystem_prompt = "x"\n[tools]\nallow = [{allow}]\n'.encode(),
    }


def timed(call: Callable[[], object], times: int) -> list[int]:
    """Nanoseconds of each of `times` calls."""
    clock, found = time.perf_counter_ns, list[int]()
    for _ in range(times):
        began = clock()
        call()
        found.append(clock() - began)
    return found


def measure_round(effort: Effort, results: Results) -> None:
    """One round of everything."""
    for what, body in definitions().items():
        text = body.decode()
        results.add(what, REFERENCE, timed(lambda text=text: tomllib.loads(text), effort.times))
        results.add(what, OURS, timed(lambda body=body: examine(body, "toml", _LIMITS), effort.times))
    spec = examine(definitions()[TYPICAL], "toml").spec
    if spec is None:
        raise RuntimeError("the typical definition has faults")
    results.add(WRITTEN, OURS, timed(lambda: to_toml(spec), effort.times))
    results.add(PAGES, OURS, timed(pages, max(1, effort.times // 100)))


def run(effort: Effort) -> Results:
    """All rounds; what is loaded at the first fault is loaded before."""
    results = Results(machine=machine())
    examine(definitions()[FAULTY], "toml")
    for _ in range(effort.rounds):
        measure_round(effort, results)
    return results


def rows(results: Results) -> list[Row]:
    """The table: medians over the rounds."""
    goals = {TYPICAL: 5.0, SECURITY: 10.0, PAGES: 5000.0}
    return rows_of_medians(results.medians_ms, "ms", goals)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("definitions", "What it takes to judge a definition.")
    parser.add_argument("--rounds", type=int, help=MEDIANS)
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    results = run(effort)
    tell(chosen, table(rows(results), [REFERENCE, OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
