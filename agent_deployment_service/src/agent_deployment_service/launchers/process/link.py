"""The launcher's end of its fork server: starts the process, talks to it, and notices its death."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agent_deployment_service.launchers.process import wire
from agent_deployment_service.launchers.process.filesystem import SCRATCH_INSIDE
from agent_deployment_service.launchers.process.identity import ProcessIdentity
from agent_deployment_service.launchers.process.limits import NO_POOL, Pool
from agent_deployment_service.launchers.process.namespaces import Isolation
from agent_deployment_service.launchers.protocol import LaunchError
from kgents_shared import langflow_environment
from kgents_shared.langflow_environment import FORK_SERVER

_QUIT_SECONDS: Final = 5.0
_READ_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How a fork server is started. `passed_environment` names the only variables that it may inherit; `root` is where
    it builds what its children see. `python` is that of another environment than the platform's own; no two servers of
    a launcher have the same `number`, 0 to 2."""

    worker_module: str
    run_dir: Path
    root: Path
    door_dir: Path | None
    log_path: Path
    passed_environment: tuple[str, ...]
    import_paths: tuple[Path, ...]
    title: str = "forkserver"
    number: int = 0
    python: Path | None = None
    ready_seconds: float = 30.0
    pool: Pool = NO_POOL

    def words(self, channel: int, *, isolate: bool) -> list[str]:
        """The command line."""
        arguments = {
            "channel": channel,
            "module": self.worker_module,
            "isolate": isolate,
            "run_dir": str(self.run_dir),
            "root": str(self.root),
            "title": self.title,
            "number": self.number,
            "door_dir": str(self.door_dir) if self.door_dir else None,
            "import_paths": [str(path) for path in self.import_paths],
            "pool": asdict(self.pool),
        }
        told = json.dumps(arguments)
        if self.python is None:
            return [sys.executable, "-I", "-m", FORK_SERVER, told]
        return langflow_environment.command(self.python, f"from {FORK_SERVER} import main; main()", told)

    def environment(self) -> dict[str, str]:
        """The scrubbed environment: what Python and the C library need, and nothing of the platform's."""
        kept = {name: os.environ[name] for name in self.passed_environment if name in os.environ}
        fixed = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", "TMPDIR": SCRATCH_INSIDE}
        # A library that counts in parallel would start threads when it is imported: what has threads can't fork.
        return fixed | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | kept


class ForkServerLink:
    """One fork server. `on_exit` gets each report of an ended child, `on_lost` the end of the server itself.

    `spare_pid` is the child that waits to be an instance.
    """

    def __init__(
        self, command: ServerCommand, on_exit: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]
    ) -> None:
        self._command = command
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._channel: socket.socket | None = None
        self._sending = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.identity: ProcessIdentity | None = None
        self.spare_pid: int | None = None
        self.isolation = Isolation.NONE

    async def open(self, *, isolate: bool) -> None:
        """Starts the server and returns once the worker's code is loaded. LaunchError when it can't be."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._channel = ours
        ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        try:
            with theirs, self._command.log_path.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command.words(theirs.fileno(), isolate=isolate),
                    pass_fds=(theirs.fileno(),),
                    env=self._command.environment(),
                    cwd="/",
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except (OSError, ModuleNotFoundError) as error:
            raise LaunchError(f"the fork server could not be started: {error}") from error
        self._reading = asyncio.create_task(self._read(ours, ready))
        try:
            answer = await asyncio.wait_for(ready, self._command.ready_seconds)
        except TimeoutError:
            await self.close()
            raise LaunchError("the fork server did not load the worker's code in time") from None
        if answer["event"] != "ready":
            await self.close()
            raise LaunchError(f"the fork server did not start: {answer['detail']}")
        self.isolation = Isolation(answer["isolation"])
        self.identity = ProcessIdentity.of(int(answer["pid"]))

    async def _read(self, channel: socket.socket, ready: asyncio.Future[dict[str, Any]]) -> None:
        loop = asyncio.get_running_loop()
        decoder = wire.Decoder()
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(channel, _READ_BYTES):
                for message in decoder.feed(data):
                    if message["event"] == "exited":
                        self._on_exit(message)
                    elif message["event"] == "spare":
                        self.spare_pid = message["pid"]
                    elif not ready.done():
                        ready.set_result(message)
        await self._end()
        self._channel = None
        channel.close()
        if not ready.done():
            detail = f"it ended; see {self._command.log_path}"
            ready.set_result({"event": "failed", "detail": detail})
        else:
            self._on_lost()

    async def _end(self) -> None:
        """Sees the server dead and takes its exit status: when that is done, the kernel has ended its workers too.

        The server is a sibling of the process that asyncio started, in that one's process group, so that nobody else
        waits for it.
        """
        if self._process is None:
            return
        self.kill()
        await self._process.wait()
        with contextlib.suppress(ChildProcessError):
            await asyncio.to_thread(os.waitpid, -self._process.pid, 0)

    async def send(self, body: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Sends one message. LaunchError when the server is gone."""
        channel = self._channel
        if channel is None:
            raise LaunchError("the fork server is not running")
        data = wire.encode(body)
        async with self._sending:
            try:
                sent = await self._send_first(channel, data, descriptors)
                if sent < len(data):
                    await asyncio.get_running_loop().sock_sendall(channel, data[sent:])
            except (ConnectionError, OSError) as error:
                raise LaunchError("the fork server went away") from error

    async def _send_first(self, channel: socket.socket, data: bytes, descriptors: Sequence[int]) -> int:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return socket.send_fds(channel, [data], list(descriptors))
            except BlockingIOError:
                writable = asyncio.Event()
                loop.add_writer(channel, writable.set)
                try:
                    await writable.wait()
                finally:
                    loop.remove_writer(channel)

    async def close(self) -> None:
        """Ends the server, and with it every child. Safe at any point of its life."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        with contextlib.suppress(OSError):
            channel.shutdown(socket.SHUT_WR)
        if self._reading is not None:
            done, _ = await asyncio.wait({self._reading}, timeout=_QUIT_SECONDS)
            if not done:
                self.kill()
                await asyncio.wait({self._reading}, timeout=_QUIT_SECONDS)
            self._reading.cancel()
        channel.close()

    def kill(self) -> None:
        """SIGKILL to the server."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
