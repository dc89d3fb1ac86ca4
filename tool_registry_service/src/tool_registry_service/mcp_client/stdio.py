"""The standard streams of a child process as an MCP transport.

The SDK's own stdio client keeps a line of any length and inherits part of the environment; this one doesn't.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage
from pydantic import ValidationError

from tool_registry_service.errors import AnswerTooLarge, ConnectionLost, NeverSent
from tool_registry_service.mcp_client.connection import Streams, Tell

_log = structlog.get_logger("kgents.tools.stdio")
_GRACE_S = 1.0
_MAX_STRAY_LINES = 1000
_KEPT_STDERR_BYTES = 2000


@dataclass(frozen=True, slots=True)
class StdioProcess:
    """A command whose standard streams speak MCP. `argv` is run as it stands, with `environment` and nothing else."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    max_line_bytes: int

    @asynccontextmanager
    async def streams(self, tell: Tell) -> AsyncGenerator[Streams]:
        """Start the process; end it and its group when the block ends."""
        transport, process = await self._start()
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        errors = _StderrTail()
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
            transport.close()

    async def _start(self) -> tuple[asyncio.SubprocessTransport, Process]:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: SubprocessStreamProtocol(limit=self.max_line_bytes, loop=loop), *self.argv,
                stdin=PIPE, stdout=PIPE, stderr=PIPE, env=dict(self.environment), cwd="/", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NeverSent(f"The server's command can't be started: {error.strerror}.") from error
        return transport, Process(transport, protocol, loop)

    async def _receive(
        self,
        process: Process,
        incoming: MemoryObjectSendStream[SessionMessage | Exception],
        errors: "_StderrTail",
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
                return tell(ConnectionLost(f"The server's process ended. {errors.text}".strip()))
            try:
                message = JSONRPCMessage.model_validate_json(line)
            except ValidationError:
                stray += 1
                if stray > _MAX_STRAY_LINES:
                    return tell(ConnectionLost("The server writes lines that aren't MCP to its standard output."))
                continue
            await incoming.send(SessionMessage(message))


class _StderrTail:
    """The last of what a process wrote to its standard error."""

    def __init__(self) -> None:
        self._kept = b""
        self._over = asyncio.Event()

    async def follow(self, process: Process) -> None:
        """Read until the end, so that the process never waits for a reader."""
        assert process.stderr is not None  # noqa: S101 -- it was asked for as a pipe
        while part := await process.stderr.read(4096):
            self._kept = (self._kept + part)[-_KEPT_STDERR_BYTES:]
        self._over.set()

    async def settle(self) -> None:
        """Wait a moment for the last words of a process that ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._over.wait()

    @property
    def text(self) -> str:
        """The last line, if there was one."""
        lines = self._kept.decode("utf-8", "replace").strip().splitlines()
        return f"Its last words: {lines[-1][:200]}" if lines else ""


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
