"""One MCP session, owned by one task; other tasks call through it.

The SDK's contexts must be left by the task that entered them, and a transport that fails cancels whoever is inside.
So a task of its own enters them and stays until the end, and each call races its answer against that end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import httpx
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, McpError, types
from mcp.shared.message import SessionMessage

from tool_registry_service.calls import ToolAnswer
from tool_registry_service.errors import (
    CallRefused,
    CallTimedOut,
    ConnectionLost,
    NeverSent,
    ToolCallFault,
    WantsAuthorization,
)
from tool_registry_service.mcp_client.content import answer_of
from tool_registry_service.mcp_client.sentences import sentence_of
from tool_registry_service.mcp_client.targets import RemoteTool

_log = structlog.get_logger("kgents.tools.mcp")
_CLIENT = types.Implementation(name="kgents", version="0.1.0")
_MAX_LIST_PAGES = 50
_SESSION_GONE = 32600
_CLOSE_WITHIN_S = 8.0
_TOLD_WITHIN_S = 5.0
_MOST_GIVEN_UP = 1000
_FOREVER = timedelta(hours=1)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
IDEMPOTENCY_META = "kgents/idempotency-key"

T = TypeVar("T")
PageT = TypeVar("PageT", bound=types.PaginatedResult)
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
Progress = Callable[[float, float | None, str | None], Awaitable[None]]


class Tell(Protocol):
    """Told of what ends the session from the far side, or of why one `request` of it will have no answer."""

    def __call__(self, error: Exception, request: types.RequestId | None = None) -> None:
        """`error` says what happened."""
        ...


class McpTransport(Protocol):
    """A way to an MCP server."""

    def streams(self, tell: Tell) -> AbstractAsyncContextManager[Streams]:
        """Open it. `tell` is called with what ends the session from the far side."""
        ...


@dataclass(frozen=True, slots=True)
class ServerAbout:
    """What a server says of itself at the start of a session."""

    name: str
    version: str
    protocol: str
    offers: frozenset[str]


class _Session(ClientSession):
    """The SDK's session, for which an answer that comes after its caller has left is nothing special."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given_up: OrderedDict[types.RequestId, None] = OrderedDict()

    @property
    def next_request(self) -> types.RequestId:
        """The id that the next request will have."""
        return self._request_id

    def give_up(self, request: types.RequestId) -> None:
        """Nobody waits for the answer to `request` any more."""
        self._given_up[request] = None
        if len(self._given_up) > _MOST_GIVEN_UP:
            self._given_up.popitem(last=False)

    async def _handle_response(self, message: SessionMessage) -> None:
        root = message.message.root
        known = isinstance(root, types.JSONRPCResponse | types.JSONRPCError)
        if known and self._normalize_request_id(root.id) in self._given_up:
            return
        await super()._handle_response(message)


class McpConnection:
    """A session with an MCP server. Once `is_open` is false it stays so; open another.

    `on_list_changed` is called when the server says that its tools are others now; `changes_told` counts that.
    """

    def __init__(
        self, transport: McpTransport, *, connect_timeout_s: float, on_list_changed: Callable[[], None] | None = None
    ) -> None:
        self._transport = transport
        self._connect_timeout_s = connect_timeout_s
        self._on_list_changed = on_list_changed
        self._session: _Session | None = None
        self._ending = asyncio.Event()
        self._ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._owner: asyncio.Task[None] | None = None
        self._notifying: set[asyncio.Task[None]] = set()
        self._faults: dict[types.RequestId, Exception] = {}
        self._is_retired = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.in_flight = 0
        self.changes_told = 0
        self.about: ServerAbout | None = None

    @property
    def is_open(self) -> bool:
        """Whether new calls can go through it."""
        return self._session is not None and not (self._is_retired or self.is_over)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._ending.is_set() or self._ended.done()

    async def drained(self) -> None:
        """Wait until no call is out any more."""
        await self._idle.wait()

    def retire(self) -> None:
        """Take no new call; those that are out go on."""
        self._is_retired = True

    async def open(self) -> None:
        """Connect and initialize.

        Raises:
            NeverSent: the server can't be reached, or doesn't speak MCP.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._own(ready), name="mcp-session")
        try:
            await asyncio.wait({ready, self._ended}, timeout=self._connect_timeout_s, return_when="FIRST_COMPLETED")
        finally:
            if not ready.done():
                self._end(NeverSent(f"it did not answer within {self._connect_timeout_s:g} s"))
                await self.close()
        if not ready.done():
            error = self._ended.result()
            raise error if isinstance(error, ToolCallFault) else NeverSent(sentence_of(error)) from error

    async def close(self) -> None:
        """End the session, and the process where there is one."""
        self._end(NeverSent("The connection was closed."))
        if self._owner is None:
            return
        _, late = await asyncio.wait({self._owner}, timeout=_CLOSE_WITHIN_S)
        if late:
            self._owner.cancel()
            await asyncio.wait({self._owner})

    def _tell(self, error: Exception, request: types.RequestId | None = None) -> None:
        if request is None:
            self._end(error)
        else:
            self._faults.setdefault(request, error)

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_result(error)
        self._ending.set()

    async def _own(self, ready: asyncio.Future[None]) -> None:
        try:
            async with (
                self._transport.streams(self._tell) as (read, write),
                _Session(read, write, message_handler=self._on_message, client_info=_CLIENT) as session,
            ):
                opened = asyncio.create_task(self._initialize(session, ready))
                await self._ending.wait()
                opened.cancel()
                await asyncio.gather(opened, *self._notifying, return_exceptions=True)
        except* Exception as group:  # noqa: BLE001 -- whatever ended the session, its callers are told
            self._end(_first(group))
        finally:
            self._end(ConnectionLost("The session with the server ended."))

    async def _initialize(self, session: _Session, ready: asyncio.Future[None]) -> None:
        first = session.next_request
        try:
            said = await session.initialize()
        except (McpError, RuntimeError, ValueError) as error:
            fault = self._faults.pop(first, None)
            if fault is None:
                self._end(NeverSent(f"The server doesn't speak MCP: {sentence_of(error)}"))
            else:
                # What was sent asked for nothing to be done, whatever became of it.
                told = _as_fault(fault)
                self._end(NeverSent(str(told)) if isinstance(told, ConnectionLost) else told)
            return
        self.about = _about(said)
        self._session = session
        if not ready.done():
            ready.set_result(None)

    async def _on_message(self, message: object) -> None:
        if isinstance(message, Exception):
            self._end(ConnectionLost(f"The server sent something that isn't MCP: {sentence_of(message)}"))
        elif isinstance(message, types.ServerNotification) and isinstance(
            message.root, types.ToolListChangedNotification
        ):
            self.changes_told += 1
            if self._on_list_changed is not None:
                self._on_list_changed()

    async def list_tools(self, *, limit: int, within_s: float) -> list[RemoteTool]:
        """Every tool of the server, over all pages.

        Raises:
            ToolCallFault: more than `limit`, pages without end, or no answer in time.
        """
        found: list[RemoteTool] = []
        async with asyncio.timeout(within_s):
            async for page in self.pages(_list_tools, types.ListToolsResult, within_s):
                found += [_remote(tool) for tool in page.tools]
                if len(found) > limit:
                    raise ToolCallFault(f"The server offers more than {limit} tools, the most that is taken.")
        return found

    async def pages(
        self,
        request: Callable[[types.PaginatedRequestParams | None], types.ClientRequest],
        answer: type[PageT],
        within_s: float,
    ) -> AsyncIterator[PageT]:
        """Every page of a list. Raises `ToolCallFault`, also for a list without end."""
        cursor: str | None = None
        for _ in range(_MAX_LIST_PAGES):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
            page = await self.ask(request(params), answer, within_s)
            yield page
            cursor = page.nextCursor
            if not cursor:
                return
        raise ToolCallFault(f"The server's list has no end after {_MAX_LIST_PAGES} pages.")

    async def call(
        self, name: str, arguments: dict[str, Any], *, key: str, within_s: float, progress: Progress | None = None
    ) -> ToolAnswer:
        """Call a tool once; a caller who leaves, and one who has waited long enough, has the server told so.

        Raises:
            ToolCallFault: it gave no result; the kind says whether it may have had an effect.
        """
        meta = types.RequestParams.Meta.model_validate({IDEMPOTENCY_META: key})
        params = types.CallToolRequestParams(name=name, arguments=arguments, _meta=meta)
        request = types.ClientRequest(types.CallToolRequest(params=params))
        return answer_of(await self.ask(request, types.CallToolResult, within_s, progress))

    async def ask(
        self, request: types.ClientRequest, answer: type[T], within_s: float, progress: Progress | None = None
    ) -> T:
        """Send one request. Raises `ToolCallFault`."""
        session = self._session
        if session is None:
            raise NeverSent("The session is not open.")
        if self._ended.done():
            raise NeverSent(sentence_of(self._ended.result()))
        sent_as: list[types.RequestId] = []

        async def send() -> T:
            sent_as.append(session.next_request)
            return await session.send_request(request, answer, _FOREVER, progress_callback=progress)  # pyright: ignore[reportArgumentType]

        task = asyncio.ensure_future(send())
        self.in_flight += 1
        self._idle.clear()
        try:
            await asyncio.wait({task, self._ended}, timeout=within_s, return_when="FIRST_COMPLETED")
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if sent_as:
                    self._give_up(session, sent_as[0])
            fault = self._faults.pop(sent_as[0], None) if sent_as else None
        if not task.cancelled():
            return self._result(task, fault)
        if self._ended.done():
            raise _lost(self._ended.result())
        raise CallTimedOut(f"The tool did not answer within {within_s:g} s; whether it took effect is not known.")

    def _give_up(self, session: _Session, request: types.RequestId) -> None:
        """Tell the server that nobody waits for `request` any more."""
        if self._ended.done():
            return
        session.give_up(request)
        params = types.CancelledNotificationParams(requestId=request, reason="the caller no longer waits")
        told = types.ClientNotification(types.CancelledNotification(params=params))

        async def tell() -> None:
            try:
                async with asyncio.timeout(_TOLD_WITHIN_S):
                    await session.send_notification(told)
            except Exception as error:  # noqa: BLE001 -- the session is no good any more: whoever is next has another
                _log.info("mcp_cancellation_not_taken", error=type(error).__name__)
                self.retire()

        task = asyncio.create_task(tell(), name="mcp-cancelled")
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    def _result(self, task: asyncio.Future[T], fault: Exception | None) -> T:
        error = task.exception()
        if error is None:
            return task.result()
        if fault is not None:
            found = _as_fault(fault)
            if isinstance(found, NeverSent | ConnectionLost):
                # The next one finds out anew whether the server is there.
                self.retire()
            raise found from fault
        if isinstance(error, McpError):
            if error.error.code == types.CONNECTION_CLOSED and self._ended.done():
                raise _lost(self._ended.result()) from error
            if error.error.code == _SESSION_GONE and error.error.message == "Session terminated":
                self.retire()
                raise NeverSent("The server forgot the session.") from error
            raise CallRefused(f"The server refused the call: {error.error.message[:500]}") from error
        if isinstance(error, ToolCallFault):
            raise error
        raise ToolCallFault(f"The server's answer can't be read: {sentence_of(error)}") from error


def _list_tools(params: types.PaginatedRequestParams | None) -> types.ClientRequest:
    return types.ClientRequest(types.ListToolsRequest(params=params))


def _remote(tool: types.Tool) -> RemoteTool:
    output = None if tool.outputSchema is None else dict(tool.outputSchema)
    return RemoteTool(tool.name, tool.description or "", dict(tool.inputSchema), output)


def _about(said: types.InitializeResult) -> ServerAbout:
    offers = frozenset(said.capabilities.model_dump(exclude_none=True))
    return ServerAbout(said.serverInfo.name[:200], said.serverInfo.version[:200], str(said.protocolVersion), offers)


def _as_fault(error: Exception) -> ToolCallFault:
    """What the transport met, as a fault of the one call that it happened to."""
    if isinstance(error, ToolCallFault):
        return error
    if isinstance(error, _NOT_SENT):
        return NeverSent(sentence_of(error))
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        if status in (401, 403):
            return WantsAuthorization(f"The server does not let this call in: it answered {status}.")
        if status < 500:
            return CallRefused(f"The server refused the call: it answered {status}.")
    if isinstance(error, ValueError):
        return ToolCallFault(f"The server's answer can't be read: {sentence_of(error)}")
    return _lost(error)


def _lost(error: Exception) -> ToolCallFault:
    """What an ended session means for a call that waited: it may have been made."""
    if isinstance(error, ToolCallFault) and not isinstance(error, NeverSent):
        return error
    return ConnectionLost(
        f"The connection broke before the answer came ({sentence_of(error)}); "
        "whether the call took effect is not known."
    )


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return ConnectionLost("The session with the server ended.")
