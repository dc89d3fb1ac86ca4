"""The standard streams of a child process as an MCP transport.

The SDK's own stdio client keeps a line of any length and inherits part of the environment; this one doesn't.
"""

import asyncio
import os
import signal
import socket
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage
from pydantic import ValidationError

from kgents_shared.isolation.cgroups import CgroupOfInstance
from tool_registry_service.errors import AnswerTooLarge, ConnectionLost, NeverSent
from tool_registry_service.mcp_client import stdio_guard
from tool_registry_service.mcp_client.connection import Streams, Tell
from tool_registry_service.mcp_client.server_log import ServerLog
from tool_registry_service.outgoing.proxy import OutgoingProxy

_log = structlog.get_logger("kgents.tools.stdio")
_GRACE_S = 1.0
_MAX_STRAY_LINES = 1000
_LISTENER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class StdioProcess:
    """A command whose standard streams speak MCP. `argv` is run as it stands, with `environment` and nothing else.

    `log` is told what becomes of it. `proxy` serves the socket that the process's guard makes in its network; `group`
    is the process's own control group, which ends with it.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    max_line_bytes: int
    log: ServerLog = field(default_factory=ServerLog)
    proxy: OutgoingProxy | None = None
    group: CgroupOfInstance | None = None

    @asynccontextmanager
    async def streams(self, tell: Tell) -> AsyncGenerator[Streams]:
        """Start the process; end it and its group when the block ends."""
        async with AsyncExitStack() as ending:
            if self.group is not None:
                ending.push_async_callback(asyncio.to_thread, self.group.remove)
            if self.proxy is None:
                yield await ending.enter_async_context(self._spoken_with(*await self._start(self.environment), tell))
                return
            ours, theirs = socket.socketpair()
            ending.enter_context(ours)
            with theirs:
                environment = {**self.environment, stdio_guard.LISTENER: str(theirs.fileno())}
                started = await self._start(environment, theirs.fileno())
            streams = await ending.enter_async_context(self._spoken_with(*started, tell))
            if (listener := await _listener(ours)) is not None:
                await ending.enter_async_context(self.proxy.serve(listener))
            yield streams

    @asynccontextmanager
    async def _spoken_with(
        self, transport: asyncio.SubprocessTransport, process: Process, tell: Tell
    ) -> AsyncGenerator[Streams]:
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        errors = _Stderr(self.log)
        tasks = [
            asyncio.create_task(self._receive(process, incoming, errors, tell)),
            asyncio.create_task(_send(process, outgoing)),
            asyncio.create_task(errors.follow(process)),
        ]
        try:
            yield read, write
        finally:
            for task in tasks[:2]:
                task.cancel()
            await asyncio.gather(*tasks[:2], return_exceptions=True)
            for stream in (incoming, read, write, outgoing):
                stream.close()
            # A pipe with something unread in it would keep `wait` from seeing the end.
            if (pipe := transport.get_pipe_transport(1)) is not None:
                pipe.close()
            await _end(process)
            tasks[2].cancel()
            await asyncio.gather(tasks[2], return_exceptions=True)
            self.log.ended(self._how_it_ended(process))
            transport.close()

    def _how_it_ended(self, process: Process) -> str:
        if self.group is not None and self.group.out_of_memory():
            return "It used more memory than it may."
        code = process.returncode
        if code is None or code >= 0:
            return f"It ended with exit code {code}."
        return f"It was ended by {signal.Signals(-code).name}."

    async def _start(self, environment: Mapping[str, str], *kept: int) -> tuple[asyncio.SubprocessTransport, Process]:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: SubprocessStreamProtocol(limit=self.max_line_bytes, loop=loop), *self.argv,
                stdin=PIPE, stdout=PIPE, stderr=PIPE, env=dict(environment), cwd="/", start_new_session=True,
                pass_fds=kept,
            )  # fmt: skip
        except OSError as error:
            raise NeverSent(f"The server's command can't be started: {error.strerror}.") from error
        self.log.started(transport.get_pid())
        return transport, Process(transport, protocol, loop)

    async def _receive(
        self,
        process: Process,
        incoming: MemoryObjectSendStream[SessionMessage | Exception],
        errors: "_Stderr",
        tell: Tell,
    ) -> None:
        assert process.stdout is not None  # noqa: S101 -- it was asked for as a pipe
        stray = 0
        while True:
            try:
                line = await process.stdout.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                return tell(AnswerTooLarge(f"The server sent a line over {self.max_line_bytes} bytes."))
            except asyncio.IncompleteReadError:
                await errors.settle()
                return tell(ConnectionLost(f"The server's process ended.{self._why()}"))
            try:
                message = JSONRPCMessage.model_validate_json(line)
            except ValidationError:
                stray += 1
                if stray > _MAX_STRAY_LINES:
                    return tell(ConnectionLost("The server writes lines that aren't MCP to its standard output."))
                continue
            await incoming.send(SessionMessage(message))

    def _why(self) -> str:
        """What is known of the end of the process, for whoever waited for its answer."""
        memory = self.group is not None and self.group.out_of_memory()
        words = self.log.last_words[:200]
        return (" It used more memory than it may." if memory else "") + (f" Its last words: {words}" if words else "")


class _Stderr:
    """Follows what a process writes to its standard error."""

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._over = asyncio.Event()

    async def follow(self, process: Process) -> None:
        """Read until the end, so that the process never waits for a reader."""
        assert process.stderr is not None  # noqa: S101 -- it was asked for as a pipe
        while part := await process.stderr.read(4096):
            self._log.wrote(part)
        self._over.set()

    async def settle(self) -> None:
        """Wait a moment for the last words of a process that ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._over.wait()


async def _listener(channel: socket.socket) -> socket.socket | None:
    """The socket that the process's guard made; None where it ended before, which its last words tell of."""
    channel.setblocking(False)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(channel, readable.set)
    try:
        async with asyncio.timeout(_LISTENER_WITHIN_S):
            await readable.wait()
    except TimeoutError as error:
        raise NeverSent("The server's process did not get its network in time.") from error
    finally:
        loop.remove_reader(channel)
    descriptors = socket.recv_fds(channel, 64, 1)[1]
    return socket.socket(fileno=descriptors[0]) if descriptors else None


async def _send(process: Process, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None  # noqa: S101 -- it was asked for as a pipe
    async for item in outgoing:
        text = item.message.model_dump_json(by_alias=True, exclude_none=True)
        with suppress(ConnectionError):
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()


async def _end(process: Process) -> None:
    """The shutdown of the MCP specification: close its input, then SIGTERM, then SIGKILL to its group."""
    assert process.stdin is not None  # noqa: S101 -- it was asked for as a pipe
    process.stdin.close()
    for name in ("", "SIGTERM", "SIGKILL"):
        if name:
            _log.info("stdio_server_ended_by_signal", pid=process.pid, signal=name)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.Signals[name])
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
                break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
