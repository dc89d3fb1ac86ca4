"""A worker as its own process, and a door that a test opens for it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from kgents_shared.contracts.worker import WorkerConfig
from kgents_shared.testing.polling import eventually

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def events(*documents: dict[str, Any] | str) -> bytes:
    """Server-sent events of OpenAI's wire."""
    return b"".join(
        b"data: " + (row if isinstance(row, str) else json.dumps(row)).encode() + b"\n\n" for row in documents
    )


def say(text: str) -> bytes:
    """A whole streamed answer."""
    return events(
        {"choices": [{"index": 0, "delta": {"content": text}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        "[DONE]",
    )


@dataclass
class Door:
    """A door of the test's own: queued model answers, recorded calls."""

    answers: list[bytes | Handler] = field(default_factory=list[bytes | Handler])
    completions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tool_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    contexts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def forget(self) -> None:
        for kept in (self.answers, self.completions, self.headers, self.steps, self.tool_calls, self.contexts):
            kept.clear()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.completions.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if self.answers else say("hello")
        if not isinstance(answer, bytes):
            return await answer(request)
        return web.Response(body=answer, content_type="text/event-stream")

    async def store_step(self, request: web.Request) -> web.Response:
        self.steps.append((await request.json())["message"])
        return web.json_response({"seq": len(self.steps)}, status=201)

    async def store_context(self, request: web.Request) -> web.Response:
        self.contexts.append(await request.json())
        return web.json_response({}, status=201)

    async def call_tool(self, request: web.Request) -> web.Response:
        self.tool_calls.append(await request.json())
        return web.json_response({"content": f"result {len(self.tool_calls)}", "is_error": False})


@dataclass
class RunningWorker:
    """The process and a client of it."""

    config: WorkerConfig
    door: Door
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession

    @property
    def admitted(self) -> dict[str, str]:
        """The front's headers."""
        return {"Authorization": f"Bearer {sha256(self.config.token.encode()).hexdigest()}"}

    def request(self, *messages: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """A run request."""
        return {
            "run_id": str(uuid4()),
            "conversation_id": str(uuid4()),
            "epoch": 3,
            "messages": messages or ({"role": "user", "text": "Hi"},),
            "tools": [],
            "llm": {"provider": "openai", "model": "m"},
            "max_steps": 4,
            "deadline_s": 20,
            **changes,
        }

    async def run(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The events of a run."""
        async with self.session.post("http://worker/runs", json=request, headers=self.admitted) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "application/x-ndjson"
            return [json.loads(line) for line in (await answer.text()).splitlines()]


@pytest.fixture(scope="session")
async def shared_worker() -> AsyncGenerator[RunningWorker]:
    async with _running_worker() as running:
        yield running


@pytest.fixture
def worker(shared_worker: RunningWorker) -> RunningWorker:
    """The one process that the tests share, with a door that remembers nothing of the test before."""
    shared_worker.door.forget()
    return shared_worker


@pytest.fixture
async def own_worker() -> AsyncGenerator[RunningWorker]:
    """A process that a test may end."""
    async with _running_worker() as running:
        yield running


@asynccontextmanager
async def _running_worker() -> AsyncGenerator[RunningWorker]:
    # A Unix socket's path holds 107 bytes; the test runner's folders are longer.
    with tempfile.TemporaryDirectory(prefix="kw") as folder:
        door = Door()
        app = web.Application()
        app.router.add_post("/internal/llm/{provider}/v1/chat/completions", door.complete)
        app.router.add_post("/internal/runs/{run}/steps", door.store_step)
        app.router.add_post("/internal/runs/{run}/context", door.store_context)
        app.router.add_post("/internal/tools/call", door.call_tool)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        await web.UnixSite(runner, Path(folder, "door.sock")).start()
        config = WorkerConfig.model_validate(
            {
                "instance_id": uuid4(),
                "agent_id": uuid4(),
                "agent_name": "helper",
                "version": 7,
                "spec": {"name": "helper", "system_prompt": "You are {a} {{b}} %s."},
                "listen": f"unix:{folder}/worker.sock",
                "door": f"unix:{folder}/door.sock",
                "token": "t" * 64,
            }
        )
        await asyncio.to_thread(Path(folder, "worker.json").write_text, config.model_dump_json(), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent_worker", f"{folder}/worker.json", stderr=asyncio.subprocess.PIPE
        )
        connector = aiohttp.UnixConnector(f"{folder}/worker.sock")
        async with aiohttp.ClientSession(connector=connector) as session:

            async def answers() -> bool:
                async with session.get("http://worker/health") as answer:
                    return answer.status == 200

            await eventually(answers, timeout=60, retry_on=(aiohttp.ClientError,))
            yield RunningWorker(config, door, process, session)
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await runner.cleanup()
