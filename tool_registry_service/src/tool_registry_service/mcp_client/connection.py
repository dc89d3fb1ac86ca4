"""One MCP session, owned by one task; other tasks call through it.

The SDK's contexts must be left by the task that entered them, and a transport that fails cancels whoever is inside.
So a task of its own enters them and stays until the end, and each call races its answer against that end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import httpx
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, McpError, types
from mcp.shared.message import SessionMessage

from tool_registry_service.calls import ToolAnswer
from tool_registry_service.errors import CallTimedOut, ConnectionLost, NeverSent, ToolCallFault
from tool_registry_service.mcp_client.content import answer_of
from tool_registry_service.mcp_client.targets import RemoteTool

_log = structlog.get_logger("kgents.tools.mcp")
_CLIENT = types.Implementation(name="kgents", version="0.1.0")
_MAX_LIST_PAGES = 50
_SESSION_GONE = 32600
_CLOSE_WITHIN_S = 8.0
IDEMPOTENCY_META = "kgents/idempotency-key"

T = TypeVar("T")
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
Tell = Callable[[Exception], None]


class McpTransport(Protocol):
    """A way to an MCP server."""

    def streams(self, tell: Tell) -> AbstractAsyncContextManager[Streams]:
        """Open it. `tell` is called with what ends the session from the far side."""
        ...


class McpConnection:
    """A session with an MCP server. Once `is_open` is false it stays so; open another."""

    def __init__(self, transport: McpTransport, *, connect_timeout_s: float) -> None:
        self._transport = transport
        self._connect_timeout_s = connect_timeout_s
        self._session: ClientSession | None = None
        self._ending = asyncio.Event()
        self._ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._owner: asyncio.Task[None] | None = None
        self._in_flight = 0
        self.definitions_are_old = False

    @property
    def is_open(self) -> bool:
        """Whether calls can go through it."""
        return self._session is not None and not self._ending.is_set() and not self._ended.done()

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
                await self.close()
        if not ready.done():
            error = self._ended.result()
            raise error if isinstance(error, ToolCallFault) else NeverSent(_sentence(error)) from error

    async def close(self) -> None:
        """End the session, and the process where there is one."""
        self._end(NeverSent("The connection was closed."))
        if self._owner is None:
            return
        _, late = await asyncio.wait({self._owner}, timeout=_CLOSE_WITHIN_S)
        if late:
            self._owner.cancel()
            await asyncio.wait({self._owner})

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_result(error)
        self._ending.set()

    async def _own(self, ready: asyncio.Future[None]) -> None:
        try:
            async with (
                self._transport.streams(self._end) as (read, write),
                ClientSession(read, write, message_handler=self._on_message, client_info=_CLIENT) as session,
            ):
                opened = asyncio.create_task(self._initialize(session, ready))
                await self._ending.wait()
                opened.cancel()
                await asyncio.gather(opened, return_exceptions=True)
        except* Exception as group:  # noqa: BLE001 -- whatever ended the session, its callers are told
            self._end(_first(group))
        finally:
            self._end(ConnectionLost("The session with the server ended."))

    async def _initialize(self, session: ClientSession, ready: asyncio.Future[None]) -> None:
        try:
            await session.initialize()
        except (McpError, RuntimeError, ValueError) as error:
            self._end(NeverSent(f"The server doesn't speak MCP: {_sentence(error)}"))
            return
        self._session = session
        if not ready.done():
            ready.set_result(None)

    async def _on_message(self, message: object) -> None:
        if isinstance(message, Exception):
            self._end(ConnectionLost(f"The server sent something that isn't MCP: {_sentence(message)}"))
        elif isinstance(message, types.ServerNotification) and isinstance(
            message.root, types.ToolListChangedNotification
        ):
            self.definitions_are_old = True

    async def list_tools(self, *, limit: int, within_s: float) -> list[RemoteTool]:
        """Every tool of the server, over all pages.

        Raises:
            ToolCallFault: more than `limit`, pages without end, or no answer in time.
        """
        self.definitions_are_old = False
        found: list[RemoteTool] = []
        async with asyncio.timeout(within_s):
            async for tool in self._listed(within_s):
                found.append(RemoteTool(tool.name, tool.description or "", dict(tool.inputSchema)))
                if len(found) > limit:
                    raise ToolCallFault(f"The server offers more than {limit} tools, the most that is taken.")
        return found

    async def _listed(self, within_s: float) -> AsyncIterator[types.Tool]:
        cursor: str | None = None
        for _ in range(_MAX_LIST_PAGES):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
            request = types.ClientRequest(types.ListToolsRequest(params=params))
            page = await self._race(self._request(request, types.ListToolsResult), within_s)
            for tool in page.tools:
                yield tool
            cursor = page.nextCursor
            if not cursor:
                return
        raise ToolCallFault(f"The server's list of tools has no end after {_MAX_LIST_PAGES} pages.")

    async def call(self, name: str, arguments: dict[str, Any], *, key: str, within_s: float) -> ToolAnswer:
        """Call a tool once.

        Raises:
            ToolCallFault: it gave no result; the kind says whether it may have had an effect.
        """
        meta = types.RequestParams.Meta.model_validate({IDEMPOTENCY_META: key})
        params = types.CallToolRequestParams(name=name, arguments=arguments, _meta=meta)
        request = types.ClientRequest(types.CallToolRequest(params=params))
        return answer_of(await self._race(self._request(request, types.CallToolResult), within_s))

    async def _request(self, request: types.ClientRequest, answer: type[T]) -> T:
        if self._session is None:
            raise NeverSent("The session is not open.")
        return await self._session.send_request(request, answer, timedelta(hours=1))  # pyright: ignore[reportArgumentType, reportReturnType]

    async def _race(self, work: Coroutine[Any, Any, T], within_s: float) -> T:
        if self._ended.done():
            work.close()
            raise NeverSent(_sentence(self._ended.result()))
        task = asyncio.ensure_future(work)
        self._in_flight += 1
        alone = self._in_flight == 1
        try:
            await asyncio.wait({task, self._ended}, timeout=within_s, return_when="FIRST_COMPLETED")
            alone = alone and self._in_flight == 1
            if task.done():
                return self._result(task, alone)
        finally:
            self._in_flight -= 1
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._ended.done():
            raise self._fault(self._ended.result(), alone)
        raise CallTimedOut(f"The tool did not answer within {within_s:g} s; whether it took effect is not known.")

    def _result(self, task: asyncio.Future[T], alone: bool) -> T:
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, McpError):
            if error.error.code == types.CONNECTION_CLOSED:
                raise self._fault(self._ended.result() if self._ended.done() else error, alone) from error
            if error.error.code == _SESSION_GONE and error.error.message == "Session terminated":
                self._end(NeverSent("The server forgot the session."))
                raise NeverSent("The server forgot the session.") from error
            raise ToolCallFault(f"The server refused the call: {error.error.message[:500]}") from error
        if isinstance(error, ToolCallFault):
            raise error
        raise ToolCallFault(f"The server's answer can't be read: {_sentence(error)}") from error

    @staticmethod
    def _fault(error: Exception, alone: bool) -> ToolCallFault:
        """What an ended session means for a call that waited. A failed dial is this call's own only if it was alone."""
        if isinstance(error, NeverSent | httpx.ConnectError | httpx.ConnectTimeout) and alone:
            return error if isinstance(error, ToolCallFault) else NeverSent(_sentence(error))
        if isinstance(error, ToolCallFault) and not isinstance(error, NeverSent):
            return error
        return ConnectionLost(
            f"The connection broke before the answer came ({_sentence(error)}); "
            "whether the call took effect is not known."
        )


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return ConnectionLost("The session with the server ended.")


def _sentence(error: BaseException) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
