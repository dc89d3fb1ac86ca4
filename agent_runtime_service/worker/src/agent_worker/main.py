"""The worker's entry. Importing this imports all that is heavy and starts nothing; `serve` then needs milliseconds."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvloop
from aiohttp import web

from agent_worker.door import Door, RunDoor
from agent_worker.logs import take_over_logging, write_log
from agent_worker.loop import AgentLoop, Answer, Emit
from agent_worker.provider_model import preload
from agent_worker.server import WorkerServer
from agent_worker.team import finish_as_team
from agent_worker.window import TokenGauge
from kgents_shared.contracts.worker import FinalEvent, RunRequest, WorkerConfig

DRAIN_S = 15.0
_CLOSE_S = 0.5
_GC_THRESHOLDS = (10_000, 10, 10)
NewLoop = Callable[[], asyncio.AbstractEventLoop]
OpenAgent = Callable[[WorkerConfig, TokenGauge], AbstractAsyncContextManager[Answer]]


def serve(config: WorkerConfig) -> None:
    """Serve `config.listen` until SIGTERM or SIGINT, then let the running runs end within `DRAIN_S` seconds."""
    serve_as(config, _chat, uvloop.new_event_loop)


def serve_as(config: WorkerConfig, open_agent: OpenAgent, new_loop: NewLoop | None = None) -> None:
    """The same for an agent of another shell, whose libraries may want asyncio's own loop."""
    take_over_logging()
    _keep_standard_descriptors()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        # What stands now stays (the fork server's pages are frozen already): a run makes thousands of objects, and
        # hardly any garbage that counting references doesn't find.
        gc.set_threshold(*_GC_THRESHOLDS)
        runner.run(_serve(config, open_agent))


@asynccontextmanager
async def _chat(config: WorkerConfig, gauge: TokenGauge) -> AsyncGenerator[Answer]:
    """The loop of model and tools."""
    preload(config.spec.llm)

    async def answer(run: RunRequest, door: RunDoor, emit: Emit) -> FinalEvent:
        if config.spec.team is not None:
            return await finish_as_team(config.spec, config.spec.team, run, door, emit, gauge)
        return await AgentLoop(config.spec.system_prompt, run, door, emit, gauge).finish()

    yield answer


def _keep_standard_descriptors() -> None:
    """Keep the first three taken: the loop would use a free one, and libuv ends a process that closes it."""
    for number in (0, 1):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(2, number)


async def _serve(config: WorkerConfig, open_agent: OpenAgent) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gauge = TokenGauge()
    async with Door(config.door, config.instance_id, config.token) as door, open_agent(config, gauge) as answer:
        server = WorkerServer(config, door, answer, gauge)
        runner = web.AppRunner(
            server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=_CLOSE_S, keepalive_timeout=3600
        )
        await runner.setup()
        await _site(runner, config.listen).start()
        write_log("info", "worker_ready", agent=config.agent_name, version=config.version)
        await stop.wait()
        whole = await server.drain(DRAIN_S)
        await runner.cleanup()
        write_log("info", "worker_stopped", drained=whole)


def _site(runner: web.AppRunner, listen: str) -> web.BaseSite:
    """The listener of `unix:/path/worker.sock` or `tcp:host:port`."""
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        path.unlink(missing_ok=True)  # a killed predecessor leaves its socket behind
        return web.UnixSite(runner, path, backlog=socket.SOMAXCONN)
    host, _, port = listen.removeprefix("tcp:").rpartition(":")
    return web.TCPSite(runner, host, int(port), backlog=socket.SOMAXCONN)
