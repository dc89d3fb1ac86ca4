"""The part of the client that stands on the MCP SDK, which takes longer to import than the rest of the service.

`load` is called by the first server that is used, so that a start doesn't wait for what it may not need.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpConnection, McpTransport
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.outgoing.client import OutgoingHttp


async def load() -> None:
    """Import the SDK beside the loop; costs nothing the second time."""
    for module in ("connection", "stdio", "streamable_http"):
        await asyncio.to_thread(import_module, f"tool_registry_service.mcp_client.{module}")


async def connection(transport: McpTransport, *, connect_timeout_s: float) -> McpConnection:
    """A session over `transport`, not open yet."""
    await load()
    from tool_registry_service.mcp_client.connection import McpConnection  # noqa: PLC0415 -- see the module's text

    return McpConnection(transport, connect_timeout_s=connect_timeout_s)


async def streamable_http(target: ServerTarget, outgoing: OutgoingHttp) -> McpTransport:
    """The way to a server over the guarded HTTP client."""
    await load()
    from tool_registry_service.mcp_client.streamable_http import StreamableHttp  # noqa: PLC0415

    return StreamableHttp(target.url or "", outgoing)


async def stdio(argv: list[str], environment: dict[str, str], max_answer_bytes: int) -> McpTransport:
    """The way to a server that is a process of its own."""
    await load()
    from tool_registry_service.mcp_client.stdio import StdioProcess  # noqa: PLC0415

    return StdioProcess(argv, environment, max_answer_bytes)
