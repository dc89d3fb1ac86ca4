"""What the launcher keeps of one worker, and how it hears from it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from agent_deployment_service.launchers.process.identity import ProcessIdentity
from agent_deployment_service.launchers.process.keeper import ForkServerKeeper
from agent_deployment_service.launchers.process.logs import LogPipe
from agent_deployment_service.launchers.protocol import Launched, LaunchError

SOCKET_NAME: Final = "worker.sock"
_MAX_SOCKET_PATH: Final = 107  # sun_path of unix(7), without its closing NUL
_HEALTH_REQUEST: Final = b"GET /health HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"
_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.05


@dataclass(slots=True)
class WorkerProcess:
    """One launched worker, and whose child it is."""

    launched: Launched
    keeper: ForkServerKeeper
    folder: Path
    log: LogPipe
    identity: ProcessIdentity | None = None
    healthy: bool = False
    stopping: bool = False
    announced: bool = False
    """Whether `launch` returned, so that the end is told as an exit."""
    end_detail: str = ""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> str:
        """For people: `starting`, `ready` or `draining`."""
        return "draining" if self.stopping else "ready" if self.healthy else "starting"

    def clear(self) -> None:
        """Removes what the worker had on this side."""
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.gone.set()


def make_folder(parent: Path, name: str) -> Path:
    """The instance's own folder, which will hold its socket. LaunchError when the path is too long for one."""
    folder = parent / name
    if len(os.fsencode(folder / SOCKET_NAME)) > _MAX_SOCKET_PATH:
        raise LaunchError(f"the path {folder} is too long for a Unix socket; choose a shorter home")
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise LaunchError(f"the instance's folder could not be made: {error}") from error
    return folder


def sealed_file(data: bytes) -> int:
    """A descriptor to read `data` from, which is on no disk where the kernel has memfd."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("kgents-worker-config")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class StatusPipe:
    """Lines of JSON that a starting child writes: its pid, then how the sandbox went, then perhaps what it observed."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()

    async def read(self, wanted: str, timeout_s: float) -> dict[str, Any]:
        """Everything told up to the key `wanted`, in one dictionary. LaunchError when the child says why it failed,
        ends without a word, or takes too long."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader()
        pipe = os.fdopen(self._reader, "rb")
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        told: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout_s):
                while wanted not in told:
                    line = await stream.readline()
                    if not line:
                        raise LaunchError("the worker's process ended before its sandbox was made")
                    told |= cast("dict[str, Any]", json.loads(line))
                    if "error" in told:
                        raise LaunchError(str(told["error"]))
        except TimeoutError:
            raise LaunchError("the sandbox was not made in time") from None
        finally:
            transport.close()
        return told


async def wait_for_health(socket_path: Path, gone: asyncio.Event, timeout_s: float) -> None:
    """Returns when `GET /health` on the socket answers 200; LaunchError at the end of the worker or of the time."""
    pause = _FIRST_PAUSE
    try:
        async with asyncio.timeout(timeout_s):
            while not await _answers(socket_path):
                if gone.is_set():
                    raise LaunchError("the worker ended before it was healthy")
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, _LONGEST_PAUSE)
    except TimeoutError:
        raise LaunchError(f"the worker was not healthy within {timeout_s:g} s") from None


async def _answers(socket_path: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket_path))
    except OSError:
        return False
    try:
        writer.write(_HEALTH_REQUEST)
        status = await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return status.split(b" ")[1:2] == [b"200"]
