"""The real platform, in a folder of its own, used as a person uses it: the host's command, the CLI, the public API."""

import asyncio
import copy
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
import uvloop

from benchmarks.candidate import HOST, Candidate, model_server
from benchmarks.child_process import ROOT, StartFailed, end, last_lines
from benchmarks.process_tree import ProcessMemory, memory_of
from benchmarks.references.server import SYSTEM_PROMPT
from platform_host.embedded.ports import choose_port

ResultsT = TypeVar("ResultsT")
_HEALTHY_WITHIN_S = 60.0
_READY_WITHIN_S = 30.0
_HEALTH_INTERVAL_S = 0.01
_REPLY_INTERVAL_S = 0.002


class UnexpectedAnswer(Exception):
    """The platform's API answered otherwise than its documents say."""


class KgentsPlatform:
    """One host with PostgreSQL, NATS and workers below `home`, whose model server is at `model_url`.

    `more` are further settings of its environment.
    """

    def __init__(self, home: Path, model_url: str, more: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = choose_port()
        self.log = home.with_name("kgents.log")
        self._environment = platform_environment(home, self.port, model_url) | dict(more or {})
        self._process: asyncio.subprocess.Process | None = None
        self._client = self._new_client()
        self._headers: dict[str, str] = {}

    def _new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{HOST}:{self.port}", timeout=30)

    @asynccontextmanager
    async def in_this_loop(self) -> AsyncGenerator["KgentsPlatform"]:
        """The same running platform, for an event loop that isn't the one it was started in, nor stops it."""
        same = copy.copy(self)
        async with self._new_client() as client:
            same._client = client  # noqa: SLF001 -- of the same class
            yield same

    @property
    def headers(self) -> Mapping[str, str]:
        """What a request of the admin's carries."""
        return self._headers

    @property
    def pid(self) -> int:
        """The host's process. Raises StartFailed before `start`."""
        if self._process is None:
            raise StartFailed("the host isn't started")
        return self._process.pid

    async def start(self) -> float:
        """Start the host; seconds from exec to a healthy `/health`. Raises StartFailed."""
        started = time.perf_counter()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "platform_host",
                "up",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=ROOT,
            )
        while not await self._healthy():
            if self._process.returncode is not None or time.perf_counter() - started > _HEALTHY_WITHIN_S:
                raise StartFailed(f"the host isn't healthy: {last_lines(self.log)}")
            await asyncio.sleep(_HEALTH_INTERVAL_S)
        spent = time.perf_counter() - started
        self._headers = {"Authorization": f"Bearer {await self._token()}"}
        return spent

    async def stop(self) -> None:
        """Stop the host and all that it started; safe to call twice."""
        if self._process is not None:
            await end(self._process)
            self._process = None

    async def close(self) -> None:
        """Stop, and give up the connections."""
        await self.stop()
        await self._client.aclose()

    async def create_agent(self, name: str) -> None:
        """Make a draft through the API. Raises UnexpectedAnswer."""
        spec = {
            "name": name,
            "system_prompt": SYSTEM_PROMPT,
            "llm": {"provider": "openai", "model": "fake-model"},
        }
        await self.post("/api/v1/agents", spec, {201})

    async def publish_until_reply(self, name: str) -> float:
        """Publish a draft and ask until it answers: the milliseconds from the first to the second."""
        started = time.perf_counter()
        await self.post(f"/api/v1/agents/{name}/publish", {}, {200, 201, 202})
        await self.reply(name)
        return (time.perf_counter() - started) * 1000

    async def reply(self, name: str) -> None:
        """Send messages until one is answered: an agent that is starting says 503, before that 404."""
        started = time.perf_counter()
        while True:
            answer = await self.post(message_path(name), {"text": "Hello"}, {200, 404, 503})
            if answer.status_code == 200:
                return
            if time.perf_counter() - started > _READY_WITHIN_S:
                raise UnexpectedAnswer(f"{name} isn't ready: {answer.text[:500]}")
            await asyncio.sleep(_REPLY_INTERVAL_S)

    async def answers_with_version(self, name: str, version: int) -> None:
        """Send messages until the run of one was the version's. Raises UnexpectedAnswer."""
        started = time.perf_counter()
        while time.perf_counter() - started < _READY_WITHIN_S:
            answer = await self.post(message_path(name), {"text": "Hello"}, {200})
            run = await self._client.get(f"/api/v1/runs/{answer.json()['run_id']}", headers=self._headers)
            if run.status_code == 200 and run.json()["version"] == version:
                return
        raise UnexpectedAnswer(f"{name} answers with another version than {version}")

    async def running_command(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start `kgents …` and leave it running; its stdout is a pipe, its stderr goes to the host's log."""
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "kgents_cli",
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
            )

    async def command(self, *arguments: str) -> tuple[str, float]:
        """Run `kgents …`: its stdout and the seconds it took. Raises UnexpectedAnswer."""
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "kgents_cli",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        told, complaint = await process.communicate()
        spent = time.perf_counter() - started
        if process.returncode != 0:
            line = " ".join(arguments)
            raise UnexpectedAnswer(f"kgents {line} → {process.returncode}: {complaint.decode(errors='replace')}")
        return told.decode(), spent

    def candidate(self, agent: str) -> Candidate:
        """The agent's endpoint, to be loaded."""
        return Candidate("Kgents", self.port, message_path(agent), (self.pid,), dict(self._headers))

    def memory(self) -> list[ProcessMemory]:
        """Memory of the host and of all that it started."""
        return memory_of((self.pid,))

    async def _healthy(self) -> bool:
        try:
            return (await self._client.get("/health")).status_code == 200
        except httpx.TransportError:
            return False

    async def _token(self) -> str:
        told, _ = await self.command("token")
        return told.strip()

    async def patch(self, path: str, body: Mapping[str, object]) -> None:
        """Change something. Raises UnexpectedAnswer."""
        answer = await self._client.patch(path, json=body, headers=self._headers)
        if answer.status_code != 200:
            raise UnexpectedAnswer(f"PATCH {path} → {answer.status_code}: {answer.text[:1000]}")

    async def get(self, path: str) -> httpx.Response:
        """Read something. Raises UnexpectedAnswer."""
        answer = await self._client.get(path, headers=self._headers)
        if answer.status_code != 200:
            raise UnexpectedAnswer(f"GET {path} → {answer.status_code}: {answer.text[:1000]}")
        return answer

    async def put(self, path: str, body: Mapping[str, object]) -> None:
        """Set something. Raises UnexpectedAnswer."""
        answer = await self._client.put(path, json=body, headers=self._headers)
        if answer.status_code != 200:
            raise UnexpectedAnswer(f"PUT {path} → {answer.status_code}: {answer.text[:1000]}")

    async def post(self, path: str, body: Mapping[str, object], expected: set[int]) -> httpx.Response:
        """Send something. Raises UnexpectedAnswer for another status than the `expected` ones."""
        answer = await self._client.post(path, json=body, headers=self._headers)
        if answer.status_code not in expected:
            raise UnexpectedAnswer(f"POST {path} → {answer.status_code}: {answer.text[:1000]}")
        return answer


class Started(Protocol):
    """Where a benchmark has its platform from: as `started_platform`."""

    def __call__(self, more: Mapping[str, str] | None = None) -> AbstractAsyncContextManager[KgentsPlatform]:
        """A platform that runs, with further settings of its environment."""
        ...


def measured(name: str, work: Coroutine[Any, Any, ResultsT]) -> ResultsT | None:
    """What `kgents bench NAME` measured; None where the platform failed, which is told."""
    try:
        return uvloop.run(work)
    except (StartFailed, UnexpectedAnswer) as failure:
        print(f"kgents bench {name}: {failure}", file=sys.stderr)
        return None


@asynccontextmanager
async def started_platform(more: Mapping[str, str] | None = None) -> AsyncGenerator[KgentsPlatform]:
    """The platform in a folder of its own, started, beside a model server; both end with it. Raises StartFailed.

    `more` are further settings of its environment.
    """
    with tempfile.TemporaryDirectory(prefix="kgents-bench-") as name:
        folder = Path(name)
        async with model_server(folder) as model_url:
            host = KgentsPlatform(folder / "kgents", model_url, more)
            try:
                await host.start()
                yield host
            finally:
                await host.close()


def message_path(agent: str) -> str:
    """Where messages to `agent` go."""
    return f"/api/v1/agents/{agent}/message"


def platform_environment(home: Path, port: int, model_url: str) -> dict[str, str]:
    """This process's environment without settings of another platform, and with those of this one."""
    foreign = ("KGENTS_", "OPENAI_", "DATABASE_URL", "NATS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {
        "KGENTS_HOME": str(home),
        "KGENTS_PORT": str(port),
        "KGENTS_BIND": HOST,
        "OPENAI_BASE_URL": model_url,
        "OPENAI_API_KEY": "sk-benchmark",
    }


def added_private_mb(before: Sequence[ProcessMemory], after: Sequence[ProcessMemory], agents: int) -> float:
    """Private memory, in MB, of the processes that `agents` new agents brought, for one of them."""
    known = {memory.pid for memory in before}
    added = sum(memory.uss for memory in after if memory.pid not in known)
    return added / agents / 1e6
