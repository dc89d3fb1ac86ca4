"""Calls of tools through the whole platform: a builtin one, and one of a local MCP server over stdio.

`python -m benchmarks.tools [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks.candidate import HOST
from benchmarks.child_process import ROOT
from benchmarks.command import parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, Started, UnexpectedAnswer, started_platform
from benchmarks.load.http_connection import HttpConnection
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table

OURS = "Kgents"
BUILTIN, LOCAL = "a builtin tool", "a tool of a local MCP server"
_SERVER = {"command": sys.executable, "args": ["-P", str(ROOT / "benchmarks" / "local_mcp_server.py")]}
LOCAL_SERVER: Mapping[str, str] = {"TOOLS_STDIO_ALLOWED": json.dumps({"local": _SERVER})}
"""The setting of a platform that lets the local MCP server be registered."""
_ALONE, _TOGETHER = "one at a time", "16 at once"
_CALLS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    BUILTIN: ("time", {"zone": "UTC"}, "UTC"),
    LOCAL: ("local.add", {"a": 19, "b": 23}, "42"),
}


@dataclass(frozen=True, slots=True)
class Effort:
    """Calls that are made one at a time, and calls of each of the 16 that call at once."""

    alone: int
    together: int


FULL = Effort(1000, 200)
QUICK = Effort(5, 2)


@dataclass(slots=True)
class Results:
    """Milliseconds of each call, and seconds that all those at once took together."""

    machine: dict[str, object]
    times_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    together_s: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as it goes over the wire, and what its result must hold."""

    port: int
    request: bytes
    expected: str

    @classmethod
    def of(cls, host: KgentsPlatform, tool: str, arguments: Mapping[str, Any], expected: str) -> "ToolCall":
        """A call by a person of the platform."""
        body = json.dumps({"arguments": arguments}).encode()
        lines = [
            f"POST /api/v1/tools/{tool}/call HTTP/1.1",
            f"Host: {HOST}:{host.port}",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in host.headers.items()),
            f"Content-Length: {len(body)}",
        ]
        return cls(host.port, "\r\n".join(lines).encode() + b"\r\n\r\n" + body, expected)

    async def repeated(self, times: int) -> list[float]:
        """Make it again and again over one connection; the milliseconds of each. Raises UnexpectedAnswer."""
        connection = HttpConnection(HOST, self.port)
        spent: list[float] = []
        try:
            for _ in range(times):
                began = time.perf_counter()
                answer = await connection.exchange(self.request)
                spent.append((time.perf_counter() - began) * 1000)
                told = json.loads(answer.body)
                if answer.status != 200 or told["outcome"] != "completed" or self.expected not in told["content"]:
                    raise UnexpectedAnswer(f"{answer.status}: {answer.body[:500]!r}")
        finally:
            connection.close()
        return spent


async def measure(host: KgentsPlatform, effort: Effort, results: Results) -> None:
    """Everything, on one platform."""
    registered = await host.post(
        "/api/v1/mcp-servers", {"name": "local", "transport": "stdio", "command": "local"}, {201}
    )
    await host.patch(f"/api/v1/mcp-servers/{registered.json()['id']}/tools/add", {"side_effect": "none"})
    for what, asked in _CALLS.items():
        call = ToolCall.of(host, *asked)
        await call.repeated(min(effort.alone, 20))
        results.times_ms[f"{what}, {_ALONE}"] = await call.repeated(effort.alone)
        began = time.perf_counter()
        spent = await asyncio.gather(*(call.repeated(effort.together) for _ in range(16)))
        results.together_s[what] = time.perf_counter() - began
        results.times_ms[f"{what}, {_TOGETHER}"] = [time_ms for times in spent for time_ms in times]


async def run(effort: Effort, started: Started) -> Results:
    """Measure, on a platform that is `started`. Raises StartFailed, UnexpectedAnswer."""
    results = Results(machine=machine())
    async with started(LOCAL_SERVER) as host:
        await measure(host, effort, results)
    return results


def rows(results: Results) -> list[Row]:
    """The table: of each the median and the slowest of a hundred; of those at once how many a second."""
    found: list[Row] = []
    for what, times in results.times_ms.items():
        goal = Goal(10, "at most") if what.endswith(_ALONE) else None
        found.append(Row(f"{what}, p50", "ms", {OURS: median(times)}, final=goal))
        found.append(Row(f"{what}, p99", "ms", {OURS: sorted(times)[int(len(times) * 0.99) - 1]}))
    for what, seconds in results.together_s.items():
        calls = len(results.times_ms[f"{what}, {_TOGETHER}"])
        found.append(Row(f"{what}, {_TOGETHER}", "calls/s", {OURS: calls / seconds}))
    return found


def main(arguments: Sequence[str] | None = None, started: Started = started_platform) -> int:
    """Run, print the table, write the files."""
    chosen = parser_of("tools", "Calls of tools through the platform.").parse_args(arguments)
    results = uvloop.run(run(QUICK if chosen.quick else FULL, started))
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
