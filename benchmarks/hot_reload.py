"""From saving an agent's file to its new version answering, as somebody who works on it sees it.

`python -m benchmarks.hot_reload [--quick] [--reloads N] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.child_process import end
from benchmarks.command import parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, Started, UnexpectedAnswer, started_platform
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table
from benchmarks.times import Times

OURS = "Kgents"
ANSWERS, TOLD = "save → the new version answers", "save → `kgents dev` says so"
REFUSED, TOGETHER = "save with a fault → its place is told", "all agents saved at once → each is said to answer"
_TOLD_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Effort:
    """Reloads one after the other, agents in the folder, and how often all of them are saved at once."""

    reloads: int
    agents: int
    at_once: int


FULL = Effort(50, 8, 10)
QUICK = Effort(2, 2, 1)


@dataclass(slots=True)
class Results(Times):
    """Everything that a run measured, in milliseconds."""

    agents: int


class Developing:
    """A running `kgents dev` over a folder."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self, state: str) -> dict[str, Any]:
        """The next reload that it tells of. Raises UnexpectedAnswer for one that went otherwise."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _TOLD_WITHIN_S)
        told = json.loads(line)
        if told["state"] != state:
            raise UnexpectedAnswer(f"kgents dev told: {line.decode()}")
        return told


@asynccontextmanager
async def developing(host: KgentsPlatform, folder: Path) -> AsyncGenerator[Developing]:
    """`kgents dev FOLDER`, ended at the end."""
    process = await host.running_command("dev", str(folder), "--json")
    try:
        yield Developing(process)
    finally:
        await end(process)


def save(folder: Path, name: str, prompt: str, more: str = "") -> float:
    """Put a definition in the file's place, as editors do; when that was."""
    part, file = folder / f"{name}.part", folder / f"{name}.toml"
    part.write_text(f'name = "{name}"\nsystem_prompt = "{prompt}"\n{more}', encoding="utf-8")
    began = time.perf_counter()
    part.replace(file)
    return began


@dataclass(slots=True)
class Measured:
    """A folder of agents under `kgents dev`, and the version that each is at."""

    host: KgentsPlatform
    folder: Path
    dev: Developing
    results: Results
    versions: dict[str, int]

    async def one_by_one(self, name: str, reloads: int) -> None:
        """Save, and send messages until the new version answers; save again, and wait until that is told."""
        for number in range(reloads):
            began = self._saved(name, f"Answer in {number} words.")
            await self.host.answers_with_version(name, self.versions[name])
            self.results.add(ANSWERS, began)
            await self.dev.told("reloaded")
            began = self._saved(name, f"Answer in at most {number} words.")
            await self.dev.told("reloaded")
            self.results.add(TOLD, began)

    async def with_faults(self, name: str, saves: int) -> None:
        """Save a definition with an unknown field, and wait until its place is told."""
        for number in range(saves):
            began = save(self.folder, name, "Answer.", f"limit = {number}\n")
            told = await self.dev.told("refused")
            self.results.add(REFUSED, began)
            if ":3:1: " not in told["faults"][0]:
                raise UnexpectedAnswer(f"a fault without its place: {told}")

    async def together(self, number: int) -> None:
        """Save all of them, and wait until each is told. Messages to all of them would be what is measured."""
        begun = {name: self._saved(name, f"Answer to {number} questions.") for name in self.versions}
        for _ in begun:
            told = await self.dev.told("reloaded")
            self.results.add(TOGETHER, begun[told["agent"]])

    def _saved(self, name: str, prompt: str) -> float:
        self.versions[name] += 1
        return save(self.folder, name, prompt)


async def measure(host: KgentsPlatform, folder: Path, effort: Effort, results: Results) -> None:
    """Everything, on one platform."""
    names = [f"hot-{number}" for number in range(effort.agents)]
    for name in names:
        save(folder, name, "Answer.")
    async with developing(host, folder) as dev:
        for _ in names:
            await dev.told("created")
        measured = Measured(host, folder, dev, results, dict.fromkeys(names, 1))
        await measured.one_by_one(names[0], effort.reloads)
        await measured.with_faults(names[0], effort.reloads)
        for number in range(effort.at_once):
            await measured.together(number)


async def run(effort: Effort, started: Started) -> Results:
    """Measure, on a platform that is `started`. Raises StartFailed, UnexpectedAnswer."""
    results = Results(machine=machine(), agents=effort.agents)
    with tempfile.TemporaryDirectory(prefix="kgents-bench-") as sources:
        async with started() as host:
            await measure(host, Path(sources), effort, results)
    return results


def rows(results: Results) -> list[Row]:
    """The table: of each thing the median and the slowest."""
    found: list[Row] = []
    for what, times in results.times_ms.items():
        words = what.replace("all agents", f"{results.agents} agents")
        goal = None if what == TOGETHER else Goal(500, "at most")
        found.append(Row(f"{words}, p50", "ms", {OURS: median(times)}, final=goal))
        found.append(Row(f"{words}, slowest", "ms", {OURS: max(times)}))
    return found


def main(arguments: Sequence[str] | None = None, started: Started = started_platform) -> int:
    """Run, print the table, write the files."""
    parser = parser_of("hot_reload", "From a save to the new version.")
    parser.add_argument("--reloads", type=int, help="how many reloads are measured one after the other")
    chosen = parser.parse_args(arguments)
    effort = QUICK if chosen.quick else FULL
    if chosen.reloads:
        effort = replace(effort, reloads=chosen.reloads)
    results = uvloop.run(run(effort, started))
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
