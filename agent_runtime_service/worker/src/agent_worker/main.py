"""The worker's entry. Importing this imports all that is heavy and starts nothing; `serve` then needs milliseconds."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from aiohttp import web

from agent_worker.door import Door, RunDoor
from agent_worker.logs import take_over_logging, write_log
from agent_worker.loop import AgentLoop, Answer, Emit
from agent_worker.server import WorkerServer
from kgents_shared.contracts.worker import FinalEvent, RunRequest, WorkerConfig

DRAIN_S = 15.0
_CLOSE_S = 0.5
OpenAgent = Callable[[WorkerConfig], AbstractAsyncContextManager[Answer]]


def serve(config: WorkerConfig) -> None:
    """Serve `config.listen` until SIGTERM or SIGINT, then let the running runs end within `DRAIN_S` seconds."""
    serve_as(config, _chat)


def serve_as(config: WorkerConfig, open_agent: OpenAgent) -> None:
    """The same for an agent of another shell."""
    take_over_logging()
    asyncio.run(_serve(config, open_agent))


@asynccontextmanager
async def _chat(config: WorkerConfig) -> AsyncGenerator[Answer]:
    """The loop of model and tools."""

    async def answer(run: RunRequest, door: RunDoor, emit: Emit) -> FinalEvent:
        return await AgentLoop(config.spec.system_prompt, run, door, emit).finish()

    yield answer


async def _serve(config: WorkerConfig, open_agent: OpenAgent) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Door(config.door, config.instance_id, config.token) as door, open_agent(config) as answer:
        server = WorkerServer(config, door, answer)
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
