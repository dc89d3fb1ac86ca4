"""Streamable HTTP, through the client that checks every address."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcp.client.streamable_http import streamable_http_client

from tool_registry_service.mcp_client.connection import Streams, Tell
from tool_registry_service.outgoing.client import OutgoingHttp


@dataclass(frozen=True, slots=True)
class StreamableHttp:
    """The MCP endpoint at `url`."""

    url: str
    outgoing: OutgoingHttp

    @asynccontextmanager
    async def streams(self, tell: Tell) -> AsyncGenerator[Streams]:
        """Open it; the SDK follows redirects within the endpoint's origin only."""
        async with (
            self.outgoing.client(tell=tell) as http,
            streamable_http_client(self.url, http_client=http) as (read, write, _),
        ):
            yield read, write
