"""What it costs a call of a tool to be held against rules and policies: in memory, as each call has them.

`python -m benchmarks.permission [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.check_times import CheckTimes
from benchmarks.command import MEDIANS, effort_of, parser_of, tell
from benchmarks.message_results import machine
from benchmarks.report import Row, rows_of_medians, table
from kgents_shared.policies.calls import PolicyDocument, ToolCallFacts
from kgents_shared.policies.engine import Policies
from tool_registry_service.permissions.decision import Asked, LevelRules, OwnerRules, denial

OURS = "Kgents"
NO_RULES, RULES = "permission, no rules", "permission, 100 rules on three levels and a capability"
TWO, NAMED = "policies: 2 rules", "policies: 102 rules, each naming its server in its scope"
WIDE, CLOSED = "policies: 102 rules for every tool", "policies: 104 rules for every tool, two levels that permit"
_TOOL = "files.read"


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, and decisions of each kind a round."""

    rounds: int
    decisions: int


FULL = Effort(7, 20_000)
QUICK = Effort(1, 200)


def rules() -> OwnerRules:
    """Rules of which none denies the tool, so that all of them are looked at."""
    denied = [f"server-{number}.*" for number in range(30)]
    return OwnerRules(
        system=LevelRules(deny=tuple(denied)),
        owner=LevelRules(deny=tuple(denied), allow=("capability:reading",)),
        agents={"helper": LevelRules(deny=tuple(denied), allow=("files.*",))},
        capabilities={"reading": (*(f"wiki-{number}.read" for number in range(10)), "files.*")},
    )


def documents(count: int, *, naming: bool = False, permits: bool = False) -> list[PolicyDocument]:
    """Policies of which none forbids the call; `naming`: each names a server in its scope."""
    found: list[PolicyDocument] = []
    for number in range(count):
        scope = f'resource in Server::"server-{number}"' if naming else "resource"
        text = f"forbid (principal, action, {scope}) when {{ context.hops > {number} }};"
        found.append(PolicyDocument(str(number), f"p{number}", text))
    if permits:
        found.append(PolicyDocument("all", "all", "permit (principal, action, resource);"))
    return found


def facts(unix_time: int) -> ToolCallFacts:
    """A call of an agent."""
    return ToolCallFacts(
        owner_id="ada", agent_id="0190-a", agent_name="helper", asked_by="ada", hops=0, tool=_TOOL, server="files",
        kind="mcp", side_effect="read", argument_names=("path", "encoding"), argument_bytes=80, unix_time=unix_time,
    )  # fmt: skip


def timed(decide: Callable[[int], bool], decisions: int) -> list[int]:
    """Nanoseconds of each decision; each lets the call pass."""
    clock, times = time.perf_counter_ns, list[int]()
    for number in range(decisions):
        began = clock()
        passes = decide(number)
        times.append(clock() - began)
        if not passes:
            raise AssertionError("a decision that should let the call pass denied it")
    return times


def run(effort: Effort) -> CheckTimes:
    """All rounds."""
    results = CheckTimes(machine=machine())
    asked = Asked(_TOOL, "helper", ["files.*", "time.*"], ["*.delete"])
    none, many = OwnerRules(), rules()
    sets = {
        TWO: Policies([], documents(2)),
        NAMED: Policies(documents(51, naming=True), documents(51, naming=True)),
        WIDE: Policies(documents(51), documents(51)),
        CLOSED: Policies(documents(51, permits=True), documents(51, permits=True)),
    }
    for _ in range(effort.rounds):
        results.add(NO_RULES, OURS, timed(lambda _: denial(asked, none, []) is None, effort.decisions))
        results.add(RULES, OURS, timed(lambda _: denial(asked, many, []) is None, effort.decisions))
        for what, policies in sets.items():
            decide = policies.decide
            results.add(what, OURS, timed(lambda n, decide=decide: decide(facts(n)).allowed, effort.decisions))
    return results


def rows(results: CheckTimes) -> list[Row]:
    """The table: medians over the rounds."""
    return rows_of_medians(results.medians_us, "µs", dict.fromkeys((NO_RULES, RULES, TWO, NAMED, WIDE, CLOSED), 100.0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("permission", "What it costs a call to be held against rules and policies.")
    parser.add_argument("--rounds", type=int, help=MEDIANS)
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    results = run(effort)
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
