"""Streamable HTTP, through the client that checks every address."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tool_registry_service.credentials import BearerSource
from tool_registry_service.errors import ToolCallFault
from tool_registry_service.mcp_client.connection import Streams, Tell
from tool_registry_service.mcp_client.http_session import HttpSession
from tool_registry_service.outgoing.client import OutgoingHttp


class _Bearer(httpx.Auth):
    """Puts the bearer on each request as it goes out; on another origin's, after a redirect, httpx leaves it off.

    One that is refused may have been rotated: it is fetched anew and the request, which had no effect, sent again.
    """

    def __init__(self, bearers: BearerSource, tell: Callable[[Exception], None]) -> None:
        self._bearers = bearers
        self._tell = tell

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with its bearer, at most twice."""
        sent = await self._put_on(request)
        response = yield request
        if response.status_code == 401:
            self._bearers.forget()
            if await self._put_on(request) != sent:
                yield request

    async def _put_on(self, request: httpx.Request) -> str:
        try:
            bearer = (await self._bearers.get()).get_secret_value()
        except ToolCallFault as error:
            self._tell(error)  # the library swallows it
            raise
        request.headers["Authorization"] = f"Bearer {bearer}"
        return bearer


@dataclass(frozen=True, slots=True)
class StreamableHttp:
    """The MCP endpoint at `url`."""

    url: str
    outgoing: OutgoingHttp
    bearers: BearerSource | None = None

    @asynccontextmanager
    async def streams(self, tell: Tell) -> AsyncGenerator[Streams]:
        """Open it; the SDK follows redirects within the endpoint's origin only."""
        session = HttpSession(self.url, tell)
        auth = None if self.bearers is None else _Bearer(self.bearers, session.told)
        async with self.outgoing.client(tell=session.told, auth=auth) as http:
            http.event_hooks["response"].append(session.check)
            async with session.streams(http) as streams:
                yield streams
