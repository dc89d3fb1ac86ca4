"""What isolation adds to a message, and a hundred agents on this machine: time to start them, memory, all answering.

`python -m benchmarks.agents [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
from aiohttp import web

from agent_deployment_service.launchers.process.launcher import ProcessLauncher
from agent_deployment_service.launchers.process.shells import ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import LaunchRequest
from agent_runtime_service.execution.worker_client import WorkerClient
from agent_worker.door import Door
from agent_worker.loop import AgentLoop
from agent_worker.window import TokenGauge
from benchmarks.command import parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, Started, UnexpectedAnswer, measured, started_platform
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.worker import Message, ModelChoice, RunRequest, WorkerEvent

OURS, IN_PROCESS = "Kgents", "the loop in one process"
_AT_ONCE = 8
_TOKEN = "0" * 64
_SPEC = AgentSpec(name="measured", system_prompt="Answer in one word.")
_CHUNKS = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hello."}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)


@dataclass(frozen=True, slots=True)
class Effort:
    """Runs each way, agents, and whether the platform is started again with them."""

    runs: int
    agents: int
    starts_again: bool = True


FULL = Effort(2000, 100)
QUICK = Effort(20, 2, starts_again=False)


@dataclass(slots=True)
class Results:
    """Everything that a run measured. Times in ms, `start_s` and `again_s` in seconds, memory in MB."""

    machine: dict[str, object]
    agents: int = 0
    runs_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    start_s: float = 0.0
    again_s: float = 0.0
    replies_ms: list[float] = field(default_factory=list[float])
    platform_mb: float = 0.0
    with_agents_mb: float = 0.0
    not_measured: list[str] = field(default_factory=list[str])


def let_in(path: Path, mode: int) -> None:
    """A worker has a user id of its own where it can: it must get as far as its door."""
    path.chmod(mode)


@asynccontextmanager
async def door(path: Path) -> AsyncGenerator[str]:
    """A door whose model answers at once."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=_CHUNKS, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    path.parent.mkdir(mode=0o711)
    await web.UnixSite(runner, str(path)).start()
    let_in(path, 0o666)
    try:
        yield f"unix:{path}"
    finally:
        await runner.cleanup()


def question() -> RunRequest:
    """One run without tools."""
    return RunRequest(
        run_id=uuid4(),
        conversation_id=uuid4(),
        epoch=1,
        messages=(Message(role="user", text="Hello"),),
        tools=(),
        llm=ModelChoice(provider="openai", model="fake-model"),
        max_steps=4,
        deadline_s=30,
    )


async def in_process(opened: Door, run: RunRequest) -> str:
    """The loop, called."""

    async def emit(_: WorkerEvent) -> None:
        return

    ended = await AgentLoop(_SPEC.system_prompt, run, opened.for_run(run.run_id, 1), emit, TokenGauge()).finish()
    return ended.text


async def in_sandbox(client: WorkerClient, run: RunRequest) -> str:
    """The loop in a sandboxed worker, as the front asks it."""
    async for event in client.run(run.model_dump_json().encode()):
        if event["type"] == "final":
            return str(event["text"])
        if event["type"] == "failed":
            raise UnexpectedAnswer(str(event))
    raise UnexpectedAnswer("the worker's answer has no end")


async def measure_isolation(effort: Effort, results: Results) -> None:
    """The same runs called in this process, and sent to a worker in its sandbox, in turn."""
    with tempfile.TemporaryDirectory(prefix="kgb-") as name:
        folder = Path(name)
        let_in(folder, 0o755)
        async with door(folder / "door" / "door.sock") as address:
            options = ProcessLauncherOptions(folder / "run", folder / "logs", address, folder / "door")
            launcher = ProcessLauncher(options)
            await launcher.start()
            try:
                launched = await launcher.launch(LaunchRequest(uuid4(), uuid4(), "measured", 1, _SPEC, _TOKEN))
                await launcher.wait_healthy(launched.instance_id, 30)
                client = WorkerClient(launched.endpoint_url, hashlib.sha256(_TOKEN.encode()).hexdigest())
                async with Door(address, uuid4(), _TOKEN) as opened:
                    for number in range(effort.runs + effort.runs // 10):
                        warm = number >= effort.runs // 10
                        for where, answered in ((IN_PROCESS, in_process(opened, question())),
                                                (OURS, in_sandbox(client, question()))):  # fmt: skip
                            began = time.perf_counter()
                            if await answered != "Hello.":
                                raise UnexpectedAnswer(f"{where} answers otherwise")
                            if warm:
                                results.runs_ms.setdefault(where, []).append((time.perf_counter() - began) * 1000)
                await client.close()
            finally:
                await launcher.close(2)


async def measure_many(effort: Effort, started: Started, results: Results) -> None:
    """Many agents published at once, all answering; then the platform started again with all of them."""
    results.agents = effort.agents
    names = [f"agent-{number}" for number in range(effort.agents)]
    async with started() as host:
        for agent in names:
            await host.create_agent(agent)
        results.platform_mb = memory_mb(host, results)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def publish(agent: str) -> None:
            async with gate:
                await host.publish_until_reply(agent)

        began = time.perf_counter()
        await asyncio.gather(*map(publish, names))
        results.start_s = time.perf_counter() - began
        for agent in names:
            began = time.perf_counter()
            await host.reply(agent)
            results.replies_ms.append((time.perf_counter() - began) * 1000)
        results.with_agents_mb = memory_mb(host, results)
        if effort.starts_again:
            await host.stop()
            began = time.perf_counter()
            await host.start()
            await asyncio.gather(*map(host.reply, names))
            results.again_s = time.perf_counter() - began


def memory_mb(host: KgentsPlatform, results: Results) -> float:
    """What all processes of the platform take together, what they share counted once."""
    try:
        return sum(process.pss for process in host.memory()) / 1e6
    except psutil.AccessDenied:
        results.not_measured.append("memory: this user may not read it (run as root)")
        return 0.0


def rows(results: Results) -> list[Row]:
    """The figures as a table's rows."""
    medians = {where: median(times) for where, times in results.runs_ms.items()}
    added = medians.get(OURS, 0.0) - medians.get(IN_PROCESS, 0.0)
    many = f"{results.agents} agents"

    def ours(what: str, unit: str, figure: float, final: float | None = None) -> Row:
        return Row(what, unit, {OURS: figure}, final=None if final is None else Goal(final, "at most"))

    return [
        Row("a run without tools, p50", "ms", medians),
        ours("added by isolation", "ms", added, 1),
        ours(f"{many}: published until all answer, {_AT_ONCE} at once", "s", results.start_s),
        ours(f"{many}: a reply, p50, one after the other", "ms", median(results.replies_ms)),
        *([ours(f"{many}: the platform started again until all answer", "s", results.again_s)]
          if results.again_s else []),
        *(
            [
                ours("memory of the platform without agents, all processes", "MB", results.platform_mb),
                ours(f"memory with {many}, all processes", "MB", results.with_agents_mb),
                ours("memory of one more agent that has answered", "MB",
                     (results.with_agents_mb - results.platform_mb) / max(1, results.agents), 15),
            ]
            if results.with_agents_mb
            else []
        ),
    ]  # fmt: skip


async def run(effort: Effort, started: Started) -> Results:
    """Measure both. Raises StartFailed, UnexpectedAnswer."""
    results = Results(machine=machine())
    await measure_isolation(effort, results)
    await measure_many(effort, started, results)
    return results


def main(arguments: Sequence[str] | None = None, started: Started = started_platform) -> int:
    """Measure, print the table, write the files that were asked for."""
    chosen = parser_of("agents", "What isolation adds to a message, and many agents at once.").parse_args(arguments)
    results = measured("agents", run(QUICK if chosen.quick else FULL, started))
    if results is None:
        return 1
    tell(chosen, table(rows(results), (OURS, IN_PROCESS), OURS), results)
    for line in results.not_measured:
        print(f"not measured: {line}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
