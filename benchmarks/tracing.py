"""What it costs that runs can be looked at: prompts kept for traces, and runs told over OTLP.

`python -m benchmarks.tracing [--quick] [--rounds N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.candidate import Candidate, Load, Sample, WrongAnswers, measure, model_server
from benchmarks.child_process import StartFailed, python_module
from benchmarks.command import effort_of, parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, UnexpectedAnswer, message_path
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table

BARE, KEPT, TOLD = "nothing kept", "Kgents", "told over OTLP"
_AGENT: Final = "measured"
_MOST_ADDED: Final = Goal(1.1, "at most", BARE)
_TOGETHER: Final = "16 at once"


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each platform is loaded, and for how long; how many traces are read."""

    rounds: int
    seconds: float
    max_messages: int
    traces: int


FULL = Effort(5, 5, 1_000_000, 100)
QUICK = Effort(1, 1, 32, 2)


@dataclass(slots=True)
class Results:
    """Everything that a run measured."""

    machine: dict[str, object]
    samples: list[Sample] = field(default_factory=list[Sample])
    trace_ms: list[float] = field(default_factory=list[float])


@contextlib.asynccontextmanager
async def platform(folder: Path, name: str, model_url: str, more: Mapping[str, str]) -> AsyncGenerator[KgentsPlatform]:
    """A platform with one published agent, and with these settings."""
    place = folder / name.replace(" ", "-")
    place.mkdir()
    host = KgentsPlatform(place / "kgents", model_url, more)
    try:
        await host.start()
        await host.create_agent(_AGENT)
        await host.publish_until_reply(_AGENT)
        yield host
    finally:
        await host.close()


async def read_traces(host: KgentsPlatform, effort: Effort, results: Results) -> None:
    """Read the trace of a run, again and again."""
    answer = await host.post(message_path(_AGENT), {"text": "Hello"}, {200})
    for _ in range(effort.traces):
        began = time.perf_counter()
        await host.get(f"/api/v1/runs/{answer.json()['run_id']}/trace")
        results.trace_ms.append((time.perf_counter() - began) * 1000)


async def run(effort: Effort) -> Results:
    """Start the platforms, load them in turn, end them."""
    results = Results(machine())
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kgents-bench-")))
        model_url = await stack.enter_async_context(model_server(folder))
        _, sink = await stack.enter_async_context(
            python_module("benchmarks.references.otlp_sink", log=folder / "sink.log")
        )
        settings: dict[str, dict[str, str]] = {
            BARE: {"RUNTIME_TRACE_PROMPTS": "false"},
            KEPT: {},
            TOLD: {"OTEL_EXPORTER_OTLP_ENDPOINT": str(sink["url"])},
        }
        candidates: list[Candidate] = []
        for name, more in settings.items():
            host = await stack.enter_async_context(platform(folder, name, model_url, more))
            candidates.append(replace(host.candidate(_AGENT), name=name))
            if name == KEPT:
                await read_traces(host, effort, results)
        for candidate in candidates:
            await measure(candidate, Load("warm-up", 16, 2, effort.seconds / 2, effort.max_messages))
        load = Load(_TOGETHER, 16, 1, effort.seconds, effort.max_messages)
        for number, place in itertools.product(range(effort.rounds), range(len(candidates))):
            candidate = candidates[(number + place) % len(candidates)]
            results.samples.append(await measure(candidate, load))
    return results


def rows(results: Results) -> list[Row]:
    """What a message takes of each platform."""
    samples = {name: [one for one in results.samples if one.candidate == name] for name in (BARE, KEPT, TOLD)}
    cpu = {name: median([one.cpu_ms_per_message for one in found]) for name, found in samples.items()}
    rates = {name: median([one.figures.per_second for one in found]) for name, found in samples.items()}
    return [
        Row("CPU a message, all processes", "ms", cpu, final=_MOST_ADDED),
        Row("the same told over OTLP, to nothing kept", "x", {KEPT: cpu[TOLD] / cpu[BARE]}, final=Goal(1.1, "at most")),
        Row(_TOGETHER, "messages/s", rates),
        Row("a trace is read, p50", "ms", {KEPT: median(results.trace_ms)}),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files; 1 if a platform failed."""
    parser = parser_of("tracing", "What it costs that runs can be looked at.")
    parser.add_argument("--rounds", type=int, help="how often each platform is loaded (medians are taken)")
    chosen = parser.parse_args(arguments)
    effort = effort_of(chosen, QUICK, FULL)
    try:
        results = uvloop.run(run(effort))
    except (StartFailed, UnexpectedAnswer, WrongAnswers) as failure:
        print(f"bench tracing: {failure}", file=sys.stderr, flush=True)
        return 1
    tell(chosen, table(rows(results), [BARE, KEPT, TOLD], KEPT), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
