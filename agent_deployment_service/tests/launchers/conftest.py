"""Launchers to test, and how each one's instances are made to misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

import pytest

from agent_deployment_service.launchers.memory import InMemoryLauncher
from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import Launched, Launcher, LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec

WORKERS = Path(__file__).parent / "workers"
TOKEN = "5ec7e7" * 10


def request(name: str = "a", *, behaviour: str = "be good", memory_mb: int = 256, **limits: float) -> LaunchRequest:
    asked = {"memory_mb": memory_mb, **limits}
    spec = AgentSpec.model_validate({"name": name, "system_prompt": behaviour, "limits": asked})
    return LaunchRequest(uuid4(), uuid4(), name, 1, spec, TOKEN)


class Bench(Protocol):
    """One launcher under test."""

    @property
    def launcher(self) -> Launcher: ...

    def request(self, name: str = "a", *, behaviour: str = "be good", memory_mb: int = 256) -> LaunchRequest: ...

    async def crash(self, launched: Launched) -> None: ...

    async def answers(self, launched: Launched) -> bool: ...


@dataclass
class MemoryBench:
    launcher: InMemoryLauncher

    def request(self, name: str = "a", *, behaviour: str = "be good", memory_mb: int = 256) -> LaunchRequest:
        return request(name, behaviour=behaviour, memory_mb=memory_mb)

    async def crash(self, launched: Launched) -> None:
        self.launcher.crash(launched.instance_id)

    async def answers(self, launched: Launched) -> bool:
        return launched in self.launcher.running()


@dataclass
class ProcessBench:
    launcher: ProcessLauncher
    home: Path

    def request(self, name: str = "a", *, behaviour: str = "be good", memory_mb: int = 256) -> LaunchRequest:
        return request(name, behaviour=behaviour, memory_mb=memory_mb)

    async def crash(self, launched: Launched) -> None:
        os.kill(launched.pid or 0, signal.SIGKILL)

    async def answers(self, launched: Launched) -> bool:
        try:
            return (await self.run_inside(launched, "result = 1")) == {"result": 1}
        except (OSError, asyncio.IncompleteReadError):
            return False

    async def started(
        self, name: str = "a", *, behaviour: str = "be good", memory_mb: int = 256, **limits: float
    ) -> Launched:
        launched = await self.launcher.launch(request(name, behaviour=behaviour, memory_mb=memory_mb, **limits))
        await self.launcher.wait_healthy(launched.instance_id, 20)
        return launched

    async def run_inside(self, launched: Launched, source: str) -> dict[str, Any]:
        """Runs Python in the worker; `{"result": …}` or `{"error": …, "errno": …, "text": …}`."""
        reader, writer = await asyncio.open_unix_connection(launched.endpoint_url.removeprefix("unix:"))
        try:
            body = source.encode()
            writer.write(b"POST /run HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = int(head.split("Content-Length:")[1].split("\r\n")[0])
            return cast("dict[str, Any]", json.loads(await reader.readexactly(size)))
        finally:
            writer.close()

    def forkserver_pid(self) -> int:
        return next(row.pid for row in self.launcher.processes() if row.role == "forkserver")

    async def exit_of(self, instance_id: UUID) -> str:
        while True:
            ended = await asyncio.wait_for(self.launcher.next_exit(), 60)
            if ended.instance_id == instance_id:
                return ended.reason


@pytest.fixture(scope="session")
def short_folder() -> Generator[Callable[[], Path]]:
    """Makes folders whose path leaves room for a Unix socket's."""
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="kd-")))
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def open_process_bench(home: Path, worker_module: str = "scripted_worker") -> AsyncGenerator[ProcessBench]:
    options = ProcessLauncherOptions(
        run_dir=home / "run",
        logs_dir=home / "logs",
        door=f"unix:{home}/door/door.sock",
        door_dir=home / "door",
        worker_module=worker_module,
        import_paths=(WORKERS,),
        passed_environment=("LD_LIBRARY_PATH", "TZ"),
    )
    launcher = ProcessLauncher(options)
    await launcher.start()
    try:
        yield ProcessBench(launcher, home)
    finally:
        await launcher.close(2)


@pytest.fixture
async def process_bench(short_folder: Callable[[], Path]) -> AsyncGenerator[ProcessBench]:
    async with open_process_bench(short_folder()) as bench:
        yield bench


@pytest.fixture(params=["process", "memory"])
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    if request.param == "memory":
        launcher = InMemoryLauncher(lambda asked: asked.spec.system_prompt != "never healthy")
        await launcher.start()
        yield MemoryBench(launcher)
        await launcher.close(1)
    else:
        folder = cast("Callable[[], Path]", request.getfixturevalue("short_folder"))()
        async with open_process_bench(folder) as made:
            yield made


@pytest.fixture(scope="session")
async def sandbox(short_folder: Callable[[], Path]) -> AsyncGenerator[ProcessBench]:
    """One process launcher for all tests that only look at what a sandbox may do."""
    async with open_process_bench(short_folder()) as made:
        yield made
