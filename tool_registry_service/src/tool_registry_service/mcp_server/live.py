"""Sessions of MCP clients in this process, over the SDK's transport.

A session's id says whose it is, and nothing else is kept of it that matters: any process takes it up where it isn't
known yet, so that several can serve one client and a restart ends nobody's session. What a process does keep is what
goes on now: calls that can be cancelled, and the stream on which a client hears that the list has changed.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc
import structlog
from mcp import types
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.shared.message import SessionMessage
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from kgents_shared.errors import ApiError, Unauthenticated
from tool_registry_service.mcp_server.callers import CALLER, Caller, SessionIds
from tool_registry_service.mcp_server.offers import Offers
from tool_registry_service.mcp_server.protocol import make_server, options_of

_log = structlog.get_logger("kgents.tools.mcp_server")
_TERMINATED_WITHIN_S = 2.0
_CHANGED = types.JSONRPCNotification(jsonrpc="2.0", method="notifications/tools/list_changed")


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """`sessions` in this process; `streams` and `requests` under way of one person; times in seconds."""

    sessions: int
    streams: int
    requests: int
    idle_s: float
    watch_s: float


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What sessions need. `still_valid` raises `Unauthenticated` for a bearer that is no longer one; `ending` is set
    when the server is about to stop.
    """

    offers: Offers
    ids: SessionIds
    still_valid: Callable[[str], Awaitable[Any]]
    ending: asyncio.Event


@dataclass(slots=True, eq=False)
class _Live:
    id: str
    transport: StreamableHTTPServerTransport
    started: anyio.Event = field(default_factory=anyio.Event)
    tell: Callable[[SessionMessage], Awaitable[None]] | None = None
    in_flight: int = 0
    used_at: float = field(default_factory=time.monotonic)


class LiveSessions:
    """The sessions that something goes on in, or did a while ago; those that nothing goes on in make room."""

    def __init__(self, parts: LiveParts, limits: LiveLimits) -> None:
        self._parts = parts
        self._limits = limits
        self._server = make_server(parts.offers)
        logging.getLogger("mcp.server.streamable_http").addFilter(_is_no_end_of_a_stream)
        self._sessions: dict[str, _Live] = {}
        self._busy: Counter[tuple[str, str]] = Counter()
        self._tasks: anyio.abc.TaskGroup | None = None
        self.ready = anyio.Event()

    async def run(self) -> None:
        """Own the sessions' tasks, for ever."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self.ready.set()
            await anyio.sleep_forever()

    async def serve(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request of the endpoint."""
        given = Headers(scope=scope).get(MCP_SESSION_ID_HEADER)
        if given is not None and not self._parts.ids.is_of(given, caller):
            await _refusal(404, "There is no such session; begin a new one.")(scope, receive, send)
            return
        with self._counted(caller, scope["method"]) as is_free:
            if not is_free:
                await _refusal(429, "You have too many requests or streams under way.")(scope, receive, send)
                return
            await self._serve(caller, given, scope, receive, send)

    @contextmanager
    def _counted(self, caller: Caller, method: str) -> Generator[bool]:
        """Count a request while it is under way, so that nobody takes all that others need; False for one too many."""
        key = (caller.principal.subject, method)
        most = self._limits.streams if method == "GET" else self._limits.requests
        if self._busy[key] >= most:
            yield False
            return
        self._busy[key] += 1
        try:
            yield True
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]

    async def _serve(self, caller: Caller, given: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        session_id = given or self._parts.ids.new(caller)
        live = self._sessions.get(session_id) or await self._begun(session_id)
        if live is None:
            await _refusal(503, "Too many sessions are busy right now.")(scope, receive, send)
            return
        await live.started.wait()
        seen: list[int] = []

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.append(message["status"])
            await send(message)

        live.in_flight += 1
        try:
            await self._within(live, caller, {**scope, CALLER: caller}, receive, watched)
        finally:
            live.in_flight -= 1
            live.used_at = time.monotonic()
            if live.transport.is_terminated or (given is None and (not seen or seen[0] >= 400)):
                await self._end(live)

    async def _within(self, live: _Live, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await live.transport.handle_request(scope, receive, send)
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, live, caller)
            tasks.start_soon(self._end_with_the_server, live)
            await live.transport.handle_request(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _end_with_the_server(self, live: _Live) -> None:
        await self._parts.ending.wait()
        live.transport.close_standalone_sse_stream()

    async def _watch(self, live: _Live, caller: Caller) -> None:
        """While a stream is open: its bearer must stay valid, and its client hears when what is offered changes."""
        mark: str | None = None
        while True:
            try:
                await self._parts.still_valid(caller.bearer)
                found = await self._parts.offers.mark(caller)
            except Unauthenticated:
                live.transport.close_standalone_sse_stream()
                return
            except ApiError as error:
                _log.info("mcp_offers_unknown", error=error.detail)
                found = mark
            if mark is not None and found != mark and live.tell is not None:
                await live.tell(SessionMessage(types.JSONRPCMessage(_CHANGED)))
            mark = found
            await anyio.sleep(self._limits.watch_s)

    async def _begun(self, session_id: str) -> _Live | None:
        """A session's task, started; None where every other is busy."""
        if len(self._sessions) >= self._limits.sessions:
            idle = min((one for one in self._sessions.values() if not one.in_flight), key=_last_use, default=None)
            if idle is None:
                return None
            await self._end(idle)
        if self._tasks is None:
            raise RuntimeError("the sessions are not open")
        live = _Live(session_id, StreamableHTTPServerTransport(session_id, idle_timeout=self._limits.idle_s))
        self._sessions[session_id] = live
        self._tasks.start_soon(self._own, live)
        return live

    async def _own(self, live: _Live) -> None:
        try:
            async with live.transport.connect() as (read, write), anyio.create_task_group() as tasks:
                live.tell = write.send
                tasks.start_soon(self._end_when_idle, live)
                live.started.set()
                await self._server.run(read, write, options_of(self._server), stateless=True)
                tasks.cancel_scope.cancel()
        except Exception:  # noqa: BLE001 -- one session's failure is no other's
            _log.exception("mcp_session_failed")
        finally:
            live.started.set()
            await self._end(live)

    async def _end_when_idle(self, live: _Live) -> None:
        scope = live.transport.idle_scope
        if scope is not None:
            with scope:
                await anyio.sleep_forever()
            await self._end(live)

    async def _end(self, live: _Live) -> None:
        if self._sessions.get(live.id) is live:
            del self._sessions[live.id]
        if not live.transport.is_terminated:
            with anyio.move_on_after(_TERMINATED_WITHIN_S, shield=True):
                await live.transport.terminate()


def _is_no_end_of_a_stream(record: logging.LogRecord) -> bool:
    """The SDK logs the end of each client's stream as an error."""
    return record.exc_info is None or not isinstance(record.exc_info[1], anyio.ClosedResourceError)


def _last_use(live: _Live) -> float:
    return live.used_at


def _refusal(status: int, text: str) -> JSONResponse:
    """A refusal in JSON-RPC's words, as clients expect it here."""
    error = {"code": types.INVALID_REQUEST, "message": text}
    headers = {"Retry-After": "5"} if status in (429, 503) else None
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers=headers)
