"""The SDK's streamable HTTP transport, made to hold against servers that lie, stall and flood.

The SDK takes an answer whatever request it came for, ends the session of all callers when one request fails, goes on
reading for a caller who has left, and opens the stream of server messages as often as the server likes. Here an
answer counts only for the request that it came for, in the session that it was asked in; a failure is that
request's own; a request that was cancelled lets go of its connection.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio
import httpx
import structlog
from mcp.client.streamable_http import LAST_EVENT_ID, MCP_SESSION_ID, RequestContext, StreamableHTTPTransport
from mcp.shared._httpx_utils import stream_within_origin  # redirects as the SDK
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from tool_registry_service.errors import AnsweredForAnother, ConnectionLost, ToolCallFault

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectSendStream
    from httpx_sse import EventSource
    from mcp.types import RequestId

    from tool_registry_service.mcp_client.connection import Streams, Tell

    Writer = MemoryObjectSendStream[SessionMessage | Exception]

_log = structlog.get_logger("kgents.tools.mcp")
_NOTIFIED_WITHIN_S = 5.0
_ENDED_WITHIN_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _CALM_AFTER_S = 1.0, 60.0, 60.0
_MOST_EVENT_ID_CHARS = 1024
_MOST_SESSION_ID_CHARS = 1024
_CANCELLED = "notifications/cancelled"
_answering: ContextVar[_OneAnswer | None] = ContextVar("answering", default=None)


class _OneAnswer:
    """What one request's HTTP answer may put into the session: notifications, and this request's answer once."""

    def __init__(self, inner: Writer, request: RequestId, tell: Tell) -> None:
        self._inner = inner
        self._request = request
        self._tell = tell
        self._is_over = False

    async def send(self, item: SessionMessage | Exception) -> None:
        """Pass a message on; an answer for another request ends the session."""
        if isinstance(item, Exception):
            await self.fail(item)
            return
        root = item.message.root
        if isinstance(root, JSONRPCResponse | JSONRPCError):
            if str(root.id) != str(self._request) or self._is_over:
                self._tell(AnsweredForAnother("The server answered a call that was not the one it was asked."))
                return
            self._is_over = True
        await self._inner.send(item)

    def note(self, error: Exception) -> None:
        """Say why this request will have no answer, before the library has swallowed it."""
        if not self._is_over:
            self._tell(error, self._request)

    async def fail(self, error: Exception) -> None:
        """Let the request's caller know that there will be no answer."""
        if self._is_over:
            return
        self.note(error)
        self._is_over = True
        fault = ErrorData(code=INTERNAL_ERROR, message="no answer")
        failed = JSONRPCError(jsonrpc="2.0", id=self._request, error=fault)
        await self._inner.send(SessionMessage(JSONRPCMessage(failed)))


class _ServerMessages:
    """What the stream of server messages may put into the session: no answers."""

    def __init__(self, inner: Writer, tell: Tell) -> None:
        self._inner = inner
        self._tell = tell

    async def send(self, item: SessionMessage | Exception) -> None:
        """Pass a message on; what isn't MCP or answers a call ends the session."""
        if not isinstance(item, Exception) and isinstance(item.message.root, JSONRPCResponse | JSONRPCError):
            self._tell(AnsweredForAnother("The server answered a call where it was not asked."))
            return
        await self._inner.send(item)


class HttpSession(StreamableHTTPTransport):
    """One session with the MCP endpoint at `url`. `tell` hears what ends the session, or one request of it."""

    def __init__(self, url: str, tell: Tell) -> None:
        super().__init__(url)
        self._tell = tell
        self._scopes: dict[RequestId, anyio.CancelScope] = {}
        self._group: TaskGroup | None = None

    def told(self, error: Exception) -> None:
        """What the HTTP client met: the fault of the request that is being answered, else of the whole session."""
        answering = _answering.get()
        if answering is None:
            self._tell(error)
        else:
            answering.note(error)

    async def check(self, response: httpx.Response) -> None:
        """An httpx hook: refuse an answer that names another session."""
        named = response.headers.get(MCP_SESSION_ID)
        if named is None:
            return
        if len(named) > _MOST_SESSION_ID_CHARS or (self.session_id is not None and named != self.session_id):
            error = AnsweredForAnother("The server answered for another session.")
            self._tell(error)
            raise error

    @asynccontextmanager
    async def streams(self, client: httpx.AsyncClient) -> AsyncGenerator[Streams]:
        """The session's two ends; it is ended at the server when the block ends."""
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        try:
            async with anyio.create_task_group() as group:
                self._group = group

                def listen() -> None:
                    group.start_soon(self.handle_get_stream, client, incoming)

                group.start_soon(self.post_writer, client, outgoing, incoming, write, listen, group)
                try:
                    yield read, write
                finally:
                    with anyio.move_on_after(_ENDED_WITHIN_S):
                        await self.terminate_session(client)
                    group.cancel_scope.cancel()
        finally:
            for stream in (incoming, read, write, outgoing):
                stream.close()

    async def _handle_post_request(self, ctx: RequestContext) -> None:
        root = ctx.session_message.message.root
        if isinstance(root, JSONRPCRequest):
            await self._ask(ctx, root.id)
        elif self._group is None or getattr(root, "method", None) == "notifications/initialized":
            await super()._handle_post_request(ctx)
        else:
            # Beside what is written next: a server that takes a notification slowly must not hold calls up.
            self._group.start_soon(self._notify, ctx)

    async def _ask(self, ctx: RequestContext, request: RequestId) -> None:
        answer = _OneAnswer(ctx.read_stream_writer, request, self._tell)
        _answering.set(answer)
        with anyio.CancelScope() as scope:
            self._scopes[request] = scope
            try:
                await super()._handle_post_request(replace(ctx, read_stream_writer=cast("Writer", answer)))
                await answer.fail(ConnectionLost("The server ended its answer before there was one."))
            except (httpx.HTTPError, ToolCallFault) as error:
                await answer.fail(error)
            finally:
                self._scopes.pop(request, None)

    async def _notify(self, ctx: RequestContext) -> None:
        root = ctx.session_message.message.root
        try:
            with anyio.move_on_after(_NOTIFIED_WITHIN_S):
                await super()._handle_post_request(ctx)
        except (httpx.HTTPError, ToolCallFault) as error:
            _log.info("mcp_notification_not_taken", method=getattr(root, "method", "answer"), error=str(error)[:200])
        finally:
            if isinstance(root, JSONRPCNotification) and root.method == _CANCELLED and root.params is not None:
                scope = self._scopes.get(root.params.get("requestId", -1))
                if scope is not None:
                    scope.cancel()

    async def handle_get_stream(self, client: httpx.AsyncClient, read_stream_writer: Writer) -> None:
        """Follow what the server says by itself, with pauses that the server has no say in."""
        messages = cast("Writer", _ServerMessages(read_stream_writer, self._tell))
        pause, last_id = _FIRST_PAUSE_S, ""
        while self.session_id:
            began = anyio.current_time()
            headers = self._prepare_headers() | {"accept": "text/event-stream", "cache-control": "no-store"}
            if last_id:
                headers[LAST_EVENT_ID] = last_id
            # Nothing may come for hours; the client's own time for a read is that of a call.
            times = httpx.Timeout(client.timeout.connect, read=None)
            try:
                async with stream_within_origin(client, "GET", self.url, headers=headers, timeout=times) as response:
                    if not _is_stream(response):
                        return
                    last_id = await self._follow(response, messages, last_id)
            except (httpx.HTTPError, ToolCallFault) as error:
                _log.debug("mcp_server_messages_cut", error=str(error)[:200])
            lived_s = anyio.current_time() - began
            pause = _FIRST_PAUSE_S if lived_s > _CALM_AFTER_S else min(pause * 2, _LONGEST_PAUSE_S)
            await anyio.sleep(pause)

    async def _follow(self, response: httpx.Response, messages: Writer, last_id: str) -> str:
        from httpx_sse import EventSource  # noqa: PLC0415 -- comes with the SDK

        source: EventSource = EventSource(response)
        async for event in source.aiter_sse():
            if event.id and len(event.id) <= _MOST_EVENT_ID_CHARS:
                last_id = event.id
            await self._handle_sse_event(event, messages)
        return last_id


def _is_stream(response: httpx.Response) -> bool:
    """Whether the server has such a stream at all (405 says that it hasn't)."""
    kind = response.headers.get("content-type", "")
    return response.status_code == 200 and kind.lower().startswith("text/event-stream")
