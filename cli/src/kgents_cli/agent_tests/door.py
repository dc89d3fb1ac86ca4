"""The runtime's door in this process: the worker's four calls, recorded, with a model and mocked tools behind it."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from agent_runtime_service.gateway.accounts import wire_at
from agent_runtime_service.gateway.faults import as_told, closing_event, closing_mark
from agent_runtime_service.gateway.http_provider import HttpProvider
from agent_runtime_service.gateway.providers import JSON, Provider, patience_s
from agent_runtime_service.gateway.wires.openai import OPENAI_WIRE
from agent_runtime_service.gateway.wires.wire import Meter
from agent_worker.door import Door
from kgents_cli.agent_tests.mocked_tools import MockedTools
from kgents_shared.contracts.worker import (
    RUN_HEADER,
    ContextChange,
    Message,
    ModelChoice,
    StepRequest,
    ToolCall,
    ToolCallRequest,
)
from kgents_shared.errors import ApiError

_MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class TurnRecord:
    """What one run did at the door, and what stands behind the door for it. `until` is the loop's time at its end."""

    model: Provider
    choice: ModelChoice
    tools: MockedTools
    until: float
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    messages: list[Message] = field(default_factory=list[Message])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ScenarioDoor:
    """Serves runs by their id. `worker_side` is the door as the worker's loop calls through it."""

    def __init__(self, worker_side: Door) -> None:
        self.worker_side = worker_side
        self.runs: dict[str, TurnRecord] = {}

    def app(self) -> web.Application:
        """The door's paths, as `agent_runtime_service.door` has them."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_post("/internal/llm/{provider}/{path:.+}", self._complete)
        app.router.add_post("/internal/runs/{run}/steps", self._store_step)
        app.router.add_post("/internal/runs/{run}/context", self._change_context)
        app.router.add_post("/internal/tools/call", self._call_tool)
        return app

    def _run(self, request: web.Request) -> TurnRecord:
        return self.runs[request.headers[RUN_HEADER]]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        run, raw = self._run(request), await request.read()
        try:
            wire = wire_at(request.match_info["provider"], request.match_info["path"])
            meter = wire.meter(len(raw))
            call = wire.call(raw, run.choice)
            run.requests.append(call.body)
            left = patience_s(run.until - asyncio.get_running_loop().time())
            if wire is not OPENAI_WIRE and isinstance(run.model, HttpProvider):
                opened = run.model.answer(call, left)
            else:
                opened = run.model.complete(call.body, left)
            async with opened as answer:
                response = web.StreamResponse(headers={"Content-Type": answer.content_type})
                await response.prepare(request)
                try:
                    async for data in answer.chunks:
                        meter.see(data)
                        await response.write(data)
                    meter.end()
                except ApiError as error:
                    if answer.content_type == JSON:
                        raise
                    await response.write(closing_event(error) if wire is OPENAI_WIRE else closing_mark(error))
                # Counted before the worker sees the end, and so before the run can end.
                self._count(run, meter)
                await response.write_eof()
                return response
        except ApiError as error:
            return web.json_response(as_told(error), status=error.status, content_type="application/problem+json")

    @staticmethod
    def _count(run: TurnRecord, meter: Meter) -> None:
        prompt, completion, _ = meter.tokens()
        run.prompt_tokens += prompt
        run.completion_tokens += completion

    async def _change_context(self, request: web.Request) -> web.Response:
        """Nothing is kept of it: each turn begins with the whole conversation and summarises it anew."""
        ContextChange.model_validate_json(await request.read())
        return web.json_response({}, status=201)

    async def _store_step(self, request: web.Request) -> web.Response:
        run = self._run(request)
        run.messages.append(StepRequest.model_validate_json(await request.read()).message)
        return web.json_response({"seq": len(run.messages)}, status=201)

    async def _call_tool(self, request: web.Request) -> web.Response:
        run = self._run(request)
        asked = ToolCallRequest.model_validate_json(await request.read())
        run.calls.append(ToolCall(id=asked.tool_call_id, name=asked.name, arguments=asked.arguments))
        result = run.tools.answer(asked.name, asked.arguments)
        run.messages.append(
            Message(role="tool", text=result.content, tool_call_id=asked.tool_call_id, is_error=result.is_error)
        )
        return web.json_response(result.model_dump())


@asynccontextmanager
async def open_door() -> AsyncGenerator[ScenarioDoor]:
    """A door on a socket of its own, which only this user can reach."""
    # A Unix socket's path holds about a hundred bytes.
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="kg")
    with folder as name:
        address = Path(name, "door.sock")
        async with Door(f"unix:{address}", uuid4(), "") as worker_side:
            door = ScenarioDoor(worker_side)
            runner = web.AppRunner(door.app(), access_log=None, shutdown_timeout=0.2)
            await runner.setup()
            try:
                await web.UnixSite(runner, address).start()
                yield door
            finally:
                await runner.cleanup()
