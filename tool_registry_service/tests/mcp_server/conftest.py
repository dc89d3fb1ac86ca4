"""A registry that MCP clients reach over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.session import RequestResponder

from kgents_shared.testing.plain_http import PLAIN
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.running_runtime import serving

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}  # fmt: skip


@dataclass(slots=True)
class ReachedRegistry:
    """The registry, and where it answers."""

    registry: RunningRegistry
    url: str

    @asynccontextmanager
    async def client(self, told: list[str] | None = None, **claims: Any) -> AsyncGenerator[ClientSession]:
        """The official client as the registry's owner; the notifications that it gets go to `told`."""

        async def heard(message: Any) -> None:
            if not isinstance(message, RequestResponder | Exception) and told is not None:
                told.append(message.root.method)

        headers = self.registry.issuer.person(claims.pop("subject", self.registry.owner), **claims)
        async with (
            httpx.AsyncClient(headers=headers, timeout=60, verify=PLAIN) as http,
            streamable_http_client(f"{self.url}/mcp", http_client=http) as (read, write, _),
            ClientSession(read, write, timedelta(seconds=30), message_handler=heard) as session,
        ):
            await session.initialize()
            yield session

    async def post(self, body: Any, session: str | None = None, **more: Any) -> httpx.Response:
        """One request by hand, as the owner unless `headers` say otherwise."""
        headers = {**HEADERS, **self.registry.issuer.person(self.registry.owner), **more.pop("headers", {})}
        if session is not None:
            headers["Mcp-Session-Id"] = session
        content = more.pop("content", None)
        sent = {"content": content} if content is not None else {"json": body}
        async with httpx.AsyncClient(timeout=60, verify=PLAIN) as http:
            return await http.post(f"{self.url}/mcp", headers=headers, **sent)

    async def begin(self, **more: Any) -> str:
        """The id of a new session."""
        answer = await self.post(INITIALIZE, **more)
        assert answer.status_code == 200, answer.text
        return answer.headers["mcp-session-id"]


@asynccontextmanager
async def reached_registry(database_url: str, **changes: Any) -> AsyncGenerator[ReachedRegistry]:
    """A registry of its own, without an agent service beside it."""
    settings: dict[str, Any] = {
        "mcp_watch_s": 0.1,
        "management_url": "http://127.0.0.1:1",
        "runtime_url": "http://127.0.0.1:1",
    }
    async with (
        running_registry(database_url, **settings | changes) as registry,
        serving(registry.app, port=0, lifespan="off") as server,
    ):
        port = server.servers[0].sockets[0].getsockname()[1]
        yield ReachedRegistry(registry, f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
async def shared(database_url: str) -> AsyncGenerator[ReachedRegistry]:
    """One registry for all tests here, with room for few sessions."""
    async with reached_registry(
        database_url, mcp_sessions=3, mcp_streams_per_person=1, mcp_requests_per_person=2
    ) as found:
        yield found


@pytest.fixture
async def reached(shared: ReachedRegistry) -> ReachedRegistry:
    """That registry, and an owner who has nothing yet."""
    shared.registry.owner = f"owner-{uuid.uuid4().hex}"
    return shared
