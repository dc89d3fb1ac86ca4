"""A runtime that answers over real HTTP with its door on a real socket, and real workers beside it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from agent_runtime_service.door.app import create_door_app
from agent_runtime_service.main import create_app
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.auth import IdentitySource
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import InstanceRegistration
from kgents_shared.contracts.worker import WorkerConfig
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.worker_nursery import WorkerNursery

JsonObject = dict[str, Any]
ServerEvent = tuple[str, dict[str, Any], str | None]


class _Server(uvicorn.Server):
    """A server in a test's loop: signals stay the test runner's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, **where: Any) -> AsyncGenerator[uvicorn.Server]:
    """`app` behind uvicorn on a free port, or on the Unix socket `uds`."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, log_config=None, timeout_graceful_shutdown=5, **where
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or task.done(), describe="the server listens")
        yield server
    finally:
        server.should_exit = True
        await task


@dataclass
class RunningFront:
    """A front in this process: its API at `url`, its door at `door_path`."""

    app: FastAPI
    url: str
    door_path: Path


@asynccontextmanager
async def running_front(
    settings: RuntimeSettings, identity: IdentitySource, door_path: Path, port: int = 0
) -> AsyncGenerator[RunningFront]:
    """The front as the host runs it: the API on TCP, the door on a Unix socket."""
    app = create_app(settings, identity=identity)
    async with (
        serving(app, host="127.0.0.1", port=port) as server,
        serving(create_door_app(app), uds=str(door_path), lifespan="off"),
    ):
        listening: tuple[str, int] = server.servers[0].sockets[0].getsockname()
        yield RunningFront(app, f"http://127.0.0.1:{listening[1]}", door_path)


@dataclass
class Worker:
    """One worker process of one agent, unsandboxed, on a Unix socket of its own."""

    folder: Path
    door_path: Path
    owner_id: str
    spec: AgentSpec
    agent_id: UUID = field(default_factory=uuid4)
    instance_id: UUID = field(default_factory=uuid4)
    version: int = 1
    generation: int = 1
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    pid: int | None = None

    @property
    def socket_path(self) -> Path:
        """Where it listens."""
        return self.folder / f"{self.instance_id.hex[:12]}.sock"

    @property
    def log_path(self) -> Path:
        """Its JSON lines."""
        return self.folder / f"{self.instance_id}.log"

    @property
    def config(self) -> WorkerConfig:
        """What it is started with."""
        return WorkerConfig(
            instance_id=self.instance_id,
            agent_id=self.agent_id,
            agent_name=self.spec.name,
            version=self.version,
            spec=self.spec,
            listen=f"unix:{self.socket_path}",
            door=f"unix:{self.door_path}",
            token=self.token,
        )

    @property
    def token_hash(self) -> str:
        """What the front shows it."""
        return hashlib.sha256(self.token.encode()).hexdigest()

    def registration(self, **changes: Any) -> InstanceRegistration:
        """What the deployment service says of it."""
        values: dict[str, Any] = {
            "agent_id": self.agent_id,
            "agent_name": self.spec.name,
            "owner_id": self.owner_id,
            "version": self.version,
            "generation": self.generation,
            "spec": self.spec,
            "endpoint_url": f"unix:{self.socket_path}",
            "token_hash": self.token_hash,
        }
        return InstanceRegistration(**(values | changes))

    async def start(self, nursery: WorkerNursery) -> None:
        """Start the process and wait until it answers."""
        self.pid = await nursery.start_worker(self.config, self.log_path)
        await eventually(self.answers, describe="the worker answers", retry_on=(httpx.TransportError,))

    async def answers(self) -> bool:
        """Whether its health is good."""
        if not self.socket_path.exists():  # asked often while it starts, and a client costs more than a look
            return False
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket_path), verify=PLAIN)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=60) as client:
            return (await client.get("/health")).status_code == 200

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """`kill -9`, or another signal."""
        if self.is_alive() and self.pid is not None:
            os.kill(self.pid, number)

    def is_alive(self) -> bool:
        """Whether the process is there."""
        try:
            os.kill(self.pid or 0, 0)
        except ProcessLookupError:
            return False
        return self.pid is not None

    def log_lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log_path.read_text("utf-8").splitlines()]


@dataclass
class Runtime:
    """A front, a client of it, and the workers that a test starts."""

    front: RunningFront
    issuer: TokenIssuer
    http: httpx.AsyncClient
    folder: Path
    nursery: WorkerNursery
    owner: str = field(default_factory=lambda: f"owner-{uuid4().hex}")
    workers: list[Worker] = field(default_factory=list[Worker])

    async def add_agent(self, name: str = "helper", *, register: bool = True, **spec: Any) -> Worker:
        """Start a worker for an agent of the owner's and make it known."""
        values: dict[str, Any] = {"name": name, "system_prompt": "You are {helpful} and {{brief}}.", **spec}
        definition = AgentSpec.model_validate(values)
        worker = Worker(self.folder, self.front.door_path, self.owner, definition)
        self.workers.append(worker)
        await worker.start(self.nursery)
        if register:
            await self.register(worker)
        return worker

    async def register(self, worker: Worker, **changes: Any) -> None:
        """As the deployment service does."""
        answer = await self.http.put(
            f"/internal/instances/{worker.instance_id}",
            content=worker.registration(**changes).model_dump_json(),
            headers={**self.issuer.service("deployment", "runtime"), "Content-Type": "application/json"},
        )
        assert answer.status_code == 204, answer.text

    async def ask(self, method: str, path: str, *, owner: str | None = None, **more: Any) -> httpx.Response:
        """A request of a person: the owner, or another."""
        headers = {**self.issuer.person(owner or self.owner), **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def send(
        self, text: str, conversation_id: str | None = None, agent: str = "helper", **more: Any
    ) -> httpx.Response:
        """A message, whatever comes of it."""
        body = {"text": text} | ({"conversation_id": conversation_id} if conversation_id else {})
        return await self.ask("POST", f"/api/v1/agents/{agent}/message", json=body, **more)

    async def say(
        self, text: str, conversation_id: str | None = None, agent: str = "helper", **more: Any
    ) -> dict[str, Any]:
        """A message that must be answered."""
        answer = await self.send(text, conversation_id, agent, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def stream(self, text: str, conversation_id: str | None = None) -> list[ServerEvent]:
        """A message answered as server-sent events: (name, data, id) of each."""
        body = {"text": text} | ({"conversation_id": conversation_id} if conversation_id else {})
        headers = {**self.issuer.person(self.owner), "Accept": "text/event-stream"}
        async with self.http.stream("POST", "/api/v1/agents/helper/message", json=body, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            return read_events([line async for line in answer.aiter_lines()])

    async def begin(
        self, text: str, conversation_id: str | None = None, key: str | None = None, **more: Any
    ) -> JsonObject:
        """A run that nobody waits for."""
        body = {"text": text, **more} | ({"conversation_id": conversation_id} if conversation_id else {})
        headers = {"Idempotency-Key": key} if key else {}
        answer = await self.ask("POST", "/api/v1/agents/helper/runs", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def begin_and_fail_once(self, text: str) -> JsonObject:
        """A run in the background whose first try has failed, by a model that the test let fail; the next is far."""
        begun = await self.begin(text, retry={"attempts": 2, "backoff_s": 600}, deadline_s=86_400)

        async def tried() -> bool:
            return bool((await self.run(begun["run_id"]))["failed_tries"])

        await eventually(tried, describe="the first try failed")
        return begun

    async def watch(self, run_id: str, last_event_id: str | None = None, **claims: Any) -> list[ServerEvent]:
        """The events of a run until its end, or the token's, which has these `claims`."""
        behind = {"Last-Event-ID": last_event_id} if last_event_id else {}
        headers = self.issuer.person(self.owner, **claims) | behind
        async with self.http.stream("GET", f"/api/v1/runs/{run_id}/events", headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            return read_events([line async for line in answer.aiter_lines()])

    async def ended(self, run_id: str) -> JsonObject:
        """A run once it has ended."""

        async def found() -> JsonObject | None:
            run = await self.run(run_id)
            return run if run["ended_at"] else None

        run = await eventually(found, describe="the run ends")
        assert run is not None
        return run

    async def transcript(self, conversation_id: str) -> list[tuple[str, str]]:
        """(role, text) of what stands in a conversation."""
        answer = await self.ask("GET", f"/api/v1/conversations/{conversation_id}/messages", params={"limit": "1000"})
        assert answer.status_code == 200, answer.text
        return [(row["role"], row["text"]) for row in answer.json()["items"]]

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run as its owner sees it."""
        answer = await self.ask("GET", f"/api/v1/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()


def read_events(lines: list[str]) -> list[ServerEvent]:
    """Server-sent events from their lines; comments are skipped."""
    events: list[ServerEvent] = []
    name, data, event_id = "", "", None
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
        elif line.startswith("id: "):
            event_id = line.removeprefix("id: ")
        elif not line and name:
            events.append((name, json.loads(data), event_id))
            name, data, event_id = "", "", None
    return events


@asynccontextmanager
async def running_runtime(
    settings: RuntimeSettings, issuer: TokenIssuer, nursery: WorkerNursery
) -> AsyncGenerator[Runtime]:
    """A front with a client; its workers end with it."""
    # A Unix socket's path holds 107 bytes; the test runner's folders are longer.
    with tempfile.TemporaryDirectory(prefix="kg") as folder:
        path = Path(folder)
        async with (
            running_front(settings, issuer.identity, path / "door.sock") as front,
            httpx.AsyncClient(base_url=front.url, timeout=240, verify=PLAIN) as http,
        ):
            runtime = Runtime(front, issuer, http, path, nursery)
            try:
                yield runtime
            finally:
                for worker in runtime.workers:
                    worker.kill()
