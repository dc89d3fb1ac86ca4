"""Streamable HTTP, through the client that checks every address."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tool_registry_service.credentials import HeaderSource
from tool_registry_service.errors import ToolCallFault
from tool_registry_service.mcp_client.connection import Streams, Tell
from tool_registry_service.mcp_client.http_session import HttpSession
from tool_registry_service.outgoing.client import OutgoingHttp


class _Headers(httpx.Auth):
    """Puts the server's headers on each request as it goes out; on another origin's, after a redirect, they are not.

    A secret that is refused may have been rotated: it is fetched anew and the request, which had no effect, sent again.
    """

    def __init__(self, source: HeaderSource, tell: Callable[[Exception], None]) -> None:
        self._source = source
        self._tell = tell

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with its headers, at most twice."""
        sent = await self._put_on(request)
        response = yield request
        if response.status_code == 401:
            self._source.forget()
            if await self._put_on(request) != sent:
                yield request

    async def _put_on(self, request: httpx.Request) -> Mapping[str, str]:
        try:
            headers = await self._source.get()
        except ToolCallFault as error:
            self._tell(error)  # the library swallows it
            raise
        request.headers.update(headers)
        return headers


@dataclass(frozen=True, slots=True)
class StreamableHttp:
    """The MCP endpoint at `url`."""

    url: str
    outgoing: OutgoingHttp
    headers: HeaderSource | None = None

    @asynccontextmanager
    async def streams(self, tell: Tell) -> AsyncGenerator[Streams]:
        """Open it; redirects are followed within the endpoint's origin only."""
        session = HttpSession(self.url, tell)
        auth = None if self.headers is None else _Headers(self.headers, session.told)
        async with self.outgoing.client(tell=session.told, auth=auth) as http:
            http.event_hooks["response"].append(session.check)
            async with session.streams(http) as streams:
                yield streams
