"""The door as an ASGI app of its own, on the listener that only workers reach. Four paths, nothing else.

It is written on plain ASGI: model answers pass it byte by byte, and every message of the platform does.
"""

import asyncio
from collections.abc import Mapping
from typing import cast

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_runtime_service.door.service import DoorService
from agent_runtime_service.execution.active import ActiveRun
from kgents_shared.errors import ApiError, InvalidInput, NotFound, PayloadTooLarge, Unavailable
from kgents_shared.errors.handlers import is_database_away, problem_response

_MAX_MODEL_BYTES = 32 * 1024 * 1024
_MAX_BODY_BYTES = 4 * 1024 * 1024
_LLM_PREFIX = "/internal/llm/"
_RUNS_PREFIX, _STEPS_SUFFIX, _CONTEXT_SUFFIX = "/internal/runs/", "/steps", "/context"
_TOOL_CALL = "/internal/tools/call"


def create_door_app(runtime_app: FastAPI) -> ASGIApp:
    """The door of the runtime whose app this is; it works while that app's lifespan does."""
    return _DoorApp(runtime_app)


class _DoorApp:
    def __init__(self, runtime_app: FastAPI) -> None:
        self._runtime_app = runtime_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        task = asyncio.current_task()
        try:
            await self._serve(scope, receive, send)
        except ApiError as error:
            await problem_response(error)(scope, receive, send)
        except ValidationError as error:
            fault = InvalidInput(f"The body can't be read: {error.error_count()} faults.")
            await problem_response(fault)(scope, receive, send)
        except asyncio.CancelledError:
            # The run's epoch is over: its worker is gone or about to learn of it. The server's own task goes on.
            if task is None or task.uncancel() > 0:
                raise
        except Exception as error:
            if not is_database_away(error):
                raise
            away = Unavailable("The database can't be reached right now.", code="database_away")
            await problem_response(away)(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = cast("DoorService", self._runtime_app.state.door)
        path: str = scope["path"]
        if scope["method"] != "POST":
            raise NotFound("There is nothing here.")
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        run = service.admit(headers)
        task = asyncio.current_task()
        if task is not None:
            run.door_calls.add(task)
        try:
            if path.startswith(_LLM_PREFIX):
                await _complete(service, run, path[len(_LLM_PREFIX) :], await _body(receive, _MAX_MODEL_BYTES), send)
            elif path == _TOOL_CALL:
                result = await service.call_tool(run, await _body(receive, _MAX_BODY_BYTES))
                await _answer(send, 200, result.model_dump_json().encode())
            elif path == f"{_RUNS_PREFIX}{run.run_id}{_STEPS_SUFFIX}":
                seq = await service.store_step(run, await _body(receive, _MAX_BODY_BYTES))
                await _answer(send, 201, b'{"seq":%d}' % seq)
            elif path == f"{_RUNS_PREFIX}{run.run_id}{_CONTEXT_SUFFIX}":
                await service.change_context(run, await _body(receive, _MAX_BODY_BYTES))
                await _answer(send, 201, b"{}")
            else:
                raise NotFound("There is nothing here.")
        finally:
            if task is not None:
                run.door_calls.discard(task)


async def _complete(service: DoorService, run: ActiveRun, where: str, body: bytes, send: Send) -> None:
    """`where` is `{provider}/{path}`, or `{provider}@{place}/{path}` for a fallback (`ModelGateway.complete`)."""
    provider, _, path = where.partition("/")
    provider, _, place = provider.partition("@")
    if not place.isdecimal() and place:
        raise NotFound("There is nothing here.")
    async with service.gateway.complete(run, provider, path, body, int(place or 0)) as answer:
        headers = [(b"content-type", answer.content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for data in answer.chunks:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive, most: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    pieces = [body]
    size = len(body)
    while message.get("more_body", False):
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise PayloadTooLarge(f"The body is over {most} bytes, the most that is taken here.")
    return b"".join(pieces)
