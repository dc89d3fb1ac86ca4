"""Calls of WASM tools: of a core module and of components in the pool, and through the whole platform.

`python -m benchmarks.wasm [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import httpx
import uvloop
import wasmtime

from benchmarks.candidate import HOST
from benchmarks.child_process import ROOT
from benchmarks.command import parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, Started, UnexpectedAnswer, started_platform
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table
from benchmarks.tools import ToolCall
from tests.external.running_registry import SECRET
from tests.external.wasm_samples import COMPILED, compile_all, javascript_sample, python_sample
from tool_registry_service.wasm_tools.limits import WasmGrants, WasmLimits, WasmRuntime
from tool_registry_service.wasm_tools.loading import Loader
from tool_registry_service.wasm_tools.program import Program, Spent

OURS, REFERENCE = "Kgents", "wasmtime's own call"
CORE, PYTHON, JAVASCRIPT = "core module", "component in Python", "component in JavaScript"
_API = "through the platform"
_WAT = ROOT / "samples" / "wasm" / "wat" / "arithmetic.wat"
_LIMITS = WasmLimits()
_NUMBERS = '{"numbers":[19,23]}'
_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds; calls of the core module in each, of a component, and through the platform."""

    rounds: int
    core: int
    component: int
    api: int


FULL = Effort(5, 50_000, 1_000, 1_000)
QUICK = Effort(1, 500, 5, 5)


@dataclass(slots=True)
class Results:
    """Calls a second of a core's time in each round, and milliseconds of each call through the platform."""

    machine: dict[str, object]
    per_second: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])
    alone_ms: list[float] = field(default_factory=list[float])
    together_per_s: float = 0.0

    def add(self, what: str, by: str, times: int, took_s: float) -> None:
        """One round."""
        self.per_second.setdefault(what, {}).setdefault(by, []).append(times / took_s)


def took(call: Callable[[], object], times: int) -> float:
    """Seconds of CPU, over all threads of this process, that so many calls take one after the other."""
    began = time.process_time()
    for _ in range(times):
        call()
    return time.process_time() - began


def wasmtime_call() -> Callable[[], object]:
    """A call of the sample's listing by wasmtime's Python objects, in one instance that is kept, within no limits."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, _WAT.read_bytes()), [])
    listing = instance.exports(store)["kgents_list"]
    if not isinstance(listing, wasmtime.Func):
        raise UnexpectedAnswer("the sample has no listing")
    return lambda: listing(store)


async def programs() -> dict[str, tuple[Program, str, str]]:
    """What is measured, by name: a program, its tool, and arguments."""
    await asyncio.to_thread(compile_all)
    runtime = WasmRuntime(
        threads=1, max_waiting=1, cache_dir=COMPILED, max_cache_bytes=2**32, max_loaded_bytes=2**32,
        max_answer_bytes=100_000, compile_timeout_s=600, wait_s=60, idle_unload_s=3600,
    )  # fmt: skip
    loader = Loader(runtime, SECRET.encode())
    found: dict[str, tuple[Program, str, str]] = {}
    for what, source, tool, arguments, expected in (
        (CORE, _WAT.read_bytes(), "sum", _NUMBERS, "42"),
        (PYTHON, python_sample(), "median", _NUMBERS, "21.0"),
        (JAVASCRIPT, javascript_sample(), "slug", '{"text":"To be or not"}', "to-be-or-not"),
    ):
        program = await loader.program(sha256(source).hexdigest(), source, WasmGrants())
        if program is None or program.call(tool, arguments, _LIMITS, Spent()).text != expected:
            raise UnexpectedAnswer(f"the {what} doesn't answer {expected}")
        found[what] = (program, tool, arguments)
    return found


async def measure_pool(effort: Effort, results: Results) -> None:
    """Calls in this process, each in an instance of its own, within limits."""
    measured = await programs()
    reference = wasmtime_call()
    for _ in range(effort.rounds):
        results.add(CORE, REFERENCE, effort.core, took(reference, effort.core))
        for what, (program, tool, arguments) in measured.items():
            times = effort.core if what == CORE else effort.component

            def call(program: Program = program, tool: str = tool, arguments: str = arguments) -> object:
                return program.call(tool, arguments, _LIMITS, Spent())

            results.add(what, OURS, times, took(call, times))


async def uploaded(host: KgentsPlatform) -> str:
    """The hash of the sample, uploaded. Raises UnexpectedAnswer."""
    url = f"http://{HOST}:{host.port}/api/v1/mcp-servers/modules"
    async with httpx.AsyncClient(headers=dict(host.headers), timeout=60) as http:
        answer = await http.post(url, content=_WAT.read_bytes())
    if answer.status_code != 201:
        raise UnexpectedAnswer(f"{answer.status_code}: {answer.text[:500]}")
    return str(answer.json()["sha256"])


async def measure_api(effort: Effort, started: Started, results: Results) -> None:
    """Calls of the core module by a person, over HTTP. Raises StartFailed, UnexpectedAnswer."""
    async with started() as host:
        wasm = {"module": await uploaded(host)}
        await host.post("/api/v1/mcp-servers", {"name": "math", "transport": "wasm", "wasm": wasm}, {201})
        call = ToolCall.of(host, "math.sum", json.loads(_NUMBERS), "42")
        await call.repeated(min(effort.api, 20))
        results.alone_ms = await call.repeated(effort.api)
        began = time.perf_counter()
        await asyncio.gather(*(call.repeated(effort.api // 4) for _ in range(_TOGETHER)))
        results.together_per_s = _TOGETHER * (effort.api // 4) / (time.perf_counter() - began)


async def run(effort: Effort, started: Started) -> Results:
    """Everything."""
    results = Results(machine=machine())
    await measure_pool(effort, results)
    await measure_api(effort, started, results)
    return results


def rows(results: Results) -> list[Row]:
    """The table: medians over the rounds."""
    found: list[Row] = []
    for what, figures in results.per_second.items():
        goal = Goal(40_000, "at least") if what == CORE else None
        rates = {by: median(values) for by, values in figures.items()}
        found.append(Row(f"{what}, in the pool", "calls/s a core", rates, final=goal))
    alone = sorted(results.alone_ms)
    found.append(Row(f"{CORE}, {_API}, p50", "ms", {OURS: median(alone)}, final=Goal(10, "at most")))
    found.append(Row(f"{CORE}, {_API}, p99", "ms", {OURS: alone[int(len(alone) * 0.99) - 1]}))
    found.append(Row(f"{CORE}, {_API}, {_TOGETHER} at once", "calls/s", {OURS: results.together_per_s}))
    return found


def main(arguments: Sequence[str] | None = None, started: Started = started_platform) -> int:
    """Run, print the table, write the files."""
    chosen = parser_of("wasm", "Calls of WASM tools.").parse_args(arguments)
    results = uvloop.run(run(QUICK if chosen.quick else FULL, started))
    tell(chosen, table(rows(results), [REFERENCE, OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
