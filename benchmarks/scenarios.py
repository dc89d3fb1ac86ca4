"""What a test of an agent costs: cases of `kgents test-agent` with a scripted model, and the check of a template.

`python -m benchmarks.scenarios [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_management_service.templates.loading import load_template
from agent_management_service.templates.service import CATALOG, TemplateLibrary
from benchmarks.command import MEDIANS, effort_of, parser_of, tell
from benchmarks.message_results import machine
from benchmarks.report import Row, median, rows_of_medians, table
from kgents_cli.agent_tests.loading import load_job
from kgents_cli.agent_tests.running import Choice, Job, run_jobs

OURS = "Kgents"
SHORT, LONG = "a case: one message, no tool", "a case: three messages, six tool calls, nine model calls"
COMMAND, NOTHING = "the whole command, one such case", "the same interpreter, doing nothing"
LOAD, NAMED = "a template: read and validated", "a template made into an agent's definition"
CHECK = "the slowest template: validated and tested, whole command"
_AGENT = 'name = "clerk"\nsystem_prompt = "You help."\n[tools]\nallow = ["time.now"]\n'
_TOOL = '[[tool]]\nname = "time.now"\nresult = "09:00"\n'
_SHORT = '[[case.turn]]\nuser = "Hi"\nreplies = ["Hello"]\n'
_LONG = '[[case.turn]]\nuser = "When?"\nreplies = [{ call = "time.now", times = 2 }, "Nine."]\nexpect.steps = 3\n'


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, cases of a kind in a round, and whole commands in a round."""

    rounds: int
    cases: int
    commands: int


FULL = Effort(5, 200, 5)
QUICK = Effort(1, 5, 1)


@dataclass(slots=True)
class Results:
    """What → milliseconds, the median of each round."""

    machine: dict[str, object]
    medians_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def add(self, what: str, seconds: Sequence[float]) -> None:
        """Take the times of one round."""
        self.medians_ms.setdefault(what, []).append(median(seconds) * 1000)


def scenario_job(folder: Path, name: str, turns: str, cases: int) -> Job:
    """A file of so many cases with these turns, beside the agent."""
    (folder / "agent.toml").write_text(_AGENT, encoding="utf-8")
    text = "".join(f'[[case]]\nname = "case {number}"\n{turns}' for number in range(cases))
    file = folder / f"{name}.toml"
    file.write_text(f'agent = "agent.toml"\n{_TOOL}{text}', encoding="utf-8")
    return load_job(file)


def case_seconds(job: Job) -> list[float]:
    """The time of each case, every one of which must pass."""
    [outcome] = run_jobs([job], Choice())
    if outcome.count("passed") != len(outcome.cases):
        raise RuntimeError(f"cases fail: {outcome.as_json()}")
    return [case.seconds for case in outcome.cases]


def process_seconds(arguments: Sequence[str], times: int) -> list[float]:
    """The time of a whole process, so many times."""
    found: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return found


def slowest_template() -> Path:
    """The built-in template whose check takes the most model calls: the one with the most scenarios."""
    return max(CATALOG.iterdir(), key=lambda folder: sum(file.stat().st_size for file in folder.glob("scenarios*")))


def measure_round(folder: Path, effort: Effort, results: Results) -> None:
    """One round of everything."""
    results.add(SHORT, case_seconds(scenario_job(folder, "short", _SHORT, effort.cases)))
    results.add(LONG, case_seconds(scenario_job(folder, "long", _LONG * 3, effort.cases)))
    one = str(scenario_job(folder, "one", _SHORT, 1).file)
    results.add(COMMAND, process_seconds(["-m", "kgents_cli", "test-agent", one], effort.commands))
    results.add(NOTHING, process_seconds(["-c", "pass"], effort.commands))
    results.add(LOAD, [_load_seconds(path) for path in CATALOG.iterdir()])
    results.add(NAMED, _named_seconds())
    check = ["-m", "kgents_cli", "templates", "check", str(slowest_template())]
    results.add(CHECK, process_seconds(check, effort.commands))


def _load_seconds(folder: Path) -> float:
    began = time.perf_counter()
    load_template(folder, "built_in")
    return time.perf_counter() - began


def _named_seconds() -> list[float]:
    found: list[float] = []
    for template in TemplateLibrary().all():
        began = time.perf_counter()
        template.agents_named("my-own")
        found.append(time.perf_counter() - began)
    return found


def run(effort: Effort) -> Results:
    """All rounds."""
    results = Results(machine=machine())
    with tempfile.TemporaryDirectory() as name:
        for _ in range(effort.rounds):
            measure_round(Path(name), effort, results)
    return results


def rows(results: Results) -> list[Row]:
    """The table: medians over the rounds."""
    goals = {SHORT: 500.0, LONG: 500.0, CHECK: 5000.0}
    return rows_of_medians({what: {OURS: times} for what, times in results.medians_ms.items()}, "ms", goals)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("scenarios", "What a test of an agent costs.")
    parser.add_argument("--rounds", type=int, help=MEDIANS)
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    results = run(effort)
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
