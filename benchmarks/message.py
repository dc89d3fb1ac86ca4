"""A message through the whole platform, beside two references, in one run on this machine.

`python -m benchmarks.message [--quick] [--rounds N] [--only A,B,Kgents] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import argparse
import contextlib
import itertools
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from benchmarks.candidate import (
    Candidate,
    Load,
    WrongAnswers,
    measure,
    model_server,
    reference_a,
    reference_b,
)
from benchmarks.child_process import StartFailed
from benchmarks.command import effort_of, parser_of, write_files
from benchmarks.kgents_platform import KgentsPlatform, UnexpectedAnswer, added_private_mb
from benchmarks.message_results import ALONE, CANDIDATES, CONVERSING, OURS, TOGETHER, Results, machine, rows
from benchmarks.report import as_text, table


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often things are measured."""

    rounds: int
    alone_s: float
    together_s: float
    max_messages: int
    publishes: int
    idle_agents: int
    status_calls: int

    def loads(self) -> list[Load]:
        return [
            Load(ALONE, 1, 1, self.alone_s, self.max_messages),
            Load(TOGETHER, 16, 1, self.together_s, self.max_messages),
            Load(CONVERSING, 16, 10, self.together_s, self.max_messages),
        ]


FULL = Effort(3, 4, 6, 1_000_000, 10, 5, 7)
QUICK = Effort(1, 2, 2, 48, 2, 1, 1)


@contextlib.asynccontextmanager
async def kgents(folder: Path, model_url: str, effort: Effort, results: Results) -> AsyncGenerator[Candidate]:
    """The platform with one published agent, its starts timed on the way."""
    home = folder / "kgents"
    host = KgentsPlatform(home, model_url)
    try:
        results.cold_start_s.append(await host.start())
        await host.create_agent("measured")
        await host.publish_until_reply("measured")
        await host.stop()
        results.warm_start_s.append(await host.start())
        await host.reply("measured")
        await measure_lifecycle(host, effort, results)
        yield host.candidate("measured")
    finally:
        await host.close()


async def measure_lifecycle(host: KgentsPlatform, effort: Effort, results: Results) -> None:
    """Publish → first reply, the memory of the agents that came of it, and `server status`."""
    await measure_publishing(host, effort, results)
    await measure_memory(host, effort, results)
    for _ in range(effort.status_calls):
        _, seconds = await host.command("server", "status", "--json")
        results.server_status_ms.append(seconds * 1000)


async def measure_publishing(host: KgentsPlatform, effort: Effort, results: Results) -> None:
    for number in range(effort.publishes):
        name = f"published-{number}"
        await host.create_agent(name)
        results.publish_to_reply_ms.append(await host.publish_until_reply(name))


async def measure_memory(host: KgentsPlatform, effort: Effort, results: Results) -> None:
    try:
        before = host.memory()
        for number in range(effort.idle_agents):
            name = f"idle-{number}"
            await host.create_agent(name)
            await host.publish_until_reply(name)
        results.idle_agent_mb.append(added_private_mb(before, host.memory(), effort.idle_agents))
    except psutil.AccessDenied:
        results.not_measured.append("memory of an idle agent: this user may not read it (run as root)")


async def run(effort: Effort, names: Sequence[str]) -> Results:
    """Start the candidates, load them in turn, end them. Raises StartFailed, UnexpectedAnswer, WrongAnswers."""
    results = Results(machine=machine())
    if results.is_busy:
        say("this machine is busy with something else: trust the CPU figures, not the times")
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kgents-bench-")))
        model_url = await stack.enter_async_context(model_server(folder))
        candidates: list[Candidate] = []
        if "B" in names:
            candidates.append(await stack.enter_async_context(reference_b(folder, model_url)))
        if "A" in names:
            candidates.append(await stack.enter_async_context(reference_a(folder, model_url)))
        if OURS in names:
            say("starting the platform, publishing agents")
            candidates.append(await stack.enter_async_context(kgents(folder, model_url, effort, results)))
        await load_all(candidates, effort, results)
    return results


async def load_all(candidates: Sequence[Candidate], effort: Effort, results: Results) -> None:
    """Warm each candidate up, then load them in turn, round by round, so that all see the same noise."""
    for candidate in candidates:
        await measure(candidate, Load("warm-up", 16, 2, effort.alone_s / 2, effort.max_messages))
    for number, load in itertools.product(range(effort.rounds), effort.loads()):
        first = number % len(candidates)
        for candidate in [*candidates[first:], *candidates[:first]]:
            say(f"round {number + 1} of {effort.rounds}: {load.name}: {candidate.name}")
            results.samples.append(await measure(candidate, load))


def say(line: str) -> None:
    """Progress, on stderr: stdout has the table alone."""
    print(line, file=sys.stderr, flush=True)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = parser_of("message", "A message through the whole platform, beside two references.")
    parser.add_argument("--rounds", type=int, help="how often each candidate is loaded (medians are taken)")
    parser.add_argument("--only", default=",".join(CANDIDATES), help="candidates, by comma")
    chosen = parser.parse_args(arguments)
    chosen.only = chosen.only.split(",")
    unknown = sorted(set(chosen.only) - set(CANDIDATES))
    if unknown:
        parser.error(f"--only knows {', '.join(CANDIDATES)}, not {', '.join(unknown)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files; 1 if a candidate failed."""
    chosen = options(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    try:
        results = uvloop.run(run(effort, chosen.only))
    except (StartFailed, UnexpectedAnswer, WrongAnswers) as failure:
        say(f"bench message: {failure}")
        return 1
    lines = table(rows(results), [name for name in CANDIDATES if name in chosen.only], OURS)
    print(as_text(lines))
    for missing in results.not_measured:
        print(f"not measured: {missing}")
    write_files(chosen, lines, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
