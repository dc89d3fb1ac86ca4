"""The worker's HTTP side: `GET /health`, `GET /gauge`, `POST /runs`, `DELETE /runs/{run_id}`."""

import asyncio
import time
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import ValidationError

from agent_worker.door import Door
from agent_worker.failures import RunFailed
from agent_worker.lines import Lines
from agent_worker.logs import write_log, write_log_soon
from agent_worker.loop import Answer, Emit
from agent_worker.window import TokenGauge
from kgents_shared.contracts.worker import FailedEvent, RunRequest, WorkerConfig, WorkerEvent

MAX_RUN_BYTES = 32 * 1024 * 1024


class WorkerServer:
    """Serves the runs of one agent, which `answer` does. `draining` refuses new runs and lets the running ones end."""

    def __init__(self, config: WorkerConfig, door: Door, answer: Answer, gauge: TokenGauge) -> None:
        self._config = config
        self._door = door
        self._answer = answer
        self._gauge = gauge
        self._bearer = b"Bearer " + sha256(config.token.encode()).hexdigest().encode()
        self._running: dict[UUID, asyncio.Task[object]] = {}
        self._cancelled: set[UUID] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    def app(self) -> web.Application:
        """The application; its handlers are cancelled when their client goes away."""
        app = web.Application(client_max_size=MAX_RUN_BYTES)
        app.router.add_get("/health", self._health)
        app.router.add_get("/gauge", self._show_gauge)
        app.router.add_post("/runs", self._start_run)
        app.router.add_delete("/runs/{run_id}", self._cancel_run)
        return app

    async def drain(self, patience_s: float) -> bool:
        """Refuse new runs and wait for the others; False if some still ran when the time was over."""
        self.draining = True
        try:
            await asyncio.wait_for(self._idle.wait(), patience_s)
        except TimeoutError:
            return False
        return True

    async def _health(self, _: web.Request) -> web.Response:
        status = "draining" if self.draining else "ok"
        body = {"status": status, "agent": self._config.agent_name, "version": self._config.version}
        return _json(body, 503 if self.draining else 200)

    async def _show_gauge(self, request: web.Request) -> web.Response:
        if not self._admitted(request):
            return _problem(401, "unauthenticated", "The instance's token is required.")
        return _json({"factor": self._gauge.factor}, 200)

    def _admitted(self, request: web.Request) -> bool:
        return compare_digest(request.headers.get("Authorization", "").encode(), self._bearer)

    async def _start_run(self, request: web.Request) -> web.StreamResponse:
        if not self._admitted(request):
            return _problem(401, "unauthenticated", "The instance's token is required.")
        if self.draining:
            return _problem(503, "draining", "This worker takes no more runs.")
        try:
            run = RunRequest.model_validate_json(await request.read())
        except ValidationError as error:
            return _problem(422, "invalid_run", f"The run can't be read: {error.error_count()} faults.")
        if (earlier := self._running.get(run.run_id)) is not None:
            earlier.cancel()
        return await self._told(run, request)

    async def _told(self, run: RunRequest, request: web.Request) -> web.StreamResponse:
        """Do the run and tell of it: line by line, or in one piece where all came in one turn of the loop."""
        lines = Lines(request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a handler always runs in a task
        self._running[run.run_id] = task
        self._idle.clear()
        began = time.monotonic()
        try:
            event = await self._outcome(run, lines.add)
            response = await lines.end(event)
        finally:
            lines.stop()
            if self._running.get(run.run_id) is task:
                del self._running[run.run_id]
            self._cancelled.discard(run.run_id)
            if not self._running:
                self._idle.set()
        code = event.code if isinstance(event, FailedEvent) else None
        took_ms = round((time.monotonic() - began) * 1000, 1)
        if code is None:
            write_log_soon("info", "run_completed", run_id=str(run.run_id), epoch=run.epoch, ms=took_ms)
        else:
            write_log("warning", "run_failed", run_id=str(run.run_id), epoch=run.epoch, ms=took_ms, code=code)
        return response

    async def _outcome(self, run: RunRequest, emit: Emit) -> WorkerEvent:
        door = self._door.for_run(run.run_id, run.epoch, run.door)
        try:
            async with asyncio.timeout(run.deadline_s):
                return await self._answer(run, door, emit)
        except RunFailed as failed:
            return FailedEvent(code=failed.code, detail=failed.detail, status=failed.status)
        except TimeoutError:
            detail = f"The run did not end within its {run.deadline_s:g} seconds."
            return FailedEvent(code="deadline_exceeded", detail=detail, status=504)
        except asyncio.CancelledError:
            if run.run_id not in self._cancelled:
                raise
            return FailedEvent(code="cancelled", detail="The run was cancelled.", status=409)

    async def _cancel_run(self, request: web.Request) -> web.Response:
        if not self._admitted(request):
            return _problem(401, "unauthenticated", "The instance's token is required.")
        try:
            run_id = UUID(request.match_info["run_id"])
        except ValueError:
            return _problem(404, "not_found", "There is no such run here.")
        task = self._running.get(run_id)
        if task is None:
            return _problem(404, "not_found", "There is no such run here.")
        self._cancelled.add(run_id)
        task.cancel()
        return web.Response(status=204)


def _json(body: Mapping[str, object], status: int) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _problem(status: int, code: str, detail: str) -> web.Response:
    body = {"type": f"urn:kgents:error:{code}", "status": status, "code": code, "detail": detail}
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/problem+json")
