"""What stands on the MCP SDK, httpx and jsonschema, which take longer to import than the rest of the service.

`load` is called when the first server is used, so that a start doesn't wait for what it may not need.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from httpx import AsyncClient

    from tool_registry_service.credentials import HeaderSource
    from tool_registry_service.mcp_client.connection import McpConnection, McpTransport
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.outgoing.proxy import OutgoingProxy
    from tool_registry_service.outgoing.proxy_rules import ProxyMeter, ProxyRules
    from tool_registry_service.settings import ToolsSettings

_MODULES = frozenset(
    f"tool_registry_service.{module}"
    for module in (
        "mcp_client.connection",
        "mcp_client.stdio",
        "mcp_client.streamable_http",
        "invocation.arguments",
        "authorization.flow",
    )
)


async def load() -> None:
    """Import it all beside the loop; costs nothing the second time."""
    if not sys.modules.keys() >= _MODULES:
        for module in _MODULES:
            await asyncio.to_thread(import_module, module)


async def connection(
    transport: McpTransport, *, connect_timeout_s: float, on_list_changed: Callable[[], None] | None = None
) -> McpConnection:
    """A session over `transport`, not open yet."""
    await load()
    from tool_registry_service.mcp_client.connection import McpConnection  # noqa: PLC0415 -- see the module's text

    return McpConnection(transport, connect_timeout_s=connect_timeout_s, on_list_changed=on_list_changed)


async def streamable_http(target: ServerTarget, settings: ToolsSettings, headers: HeaderSource | None) -> McpTransport:
    """The way to a server over the guarded HTTP client, with the headers that the server wants."""
    await load()
    from tool_registry_service.mcp_client.streamable_http import StreamableHttp  # noqa: PLC0415
    from tool_registry_service.outgoing.client import OutgoingHttp  # noqa: PLC0415

    return StreamableHttp(target.url or "", OutgoingHttp.of(settings), headers)


async def stdio(argv: list[str], environment: dict[str, str], max_answer_bytes: int, **kept: Any) -> McpTransport:
    """The way to a server that is a process of its own; `kept` are further fields of `StdioProcess`."""
    await load()
    from tool_registry_service.mcp_client.stdio import StdioProcess  # noqa: PLC0415

    return StdioProcess(argv, environment, max_answer_bytes, **kept)


async def proxy(server: str, settings: ToolsSettings, rules: ProxyRules, meter: ProxyMeter) -> OutgoingProxy:
    """The way out of a server that has no other network."""
    await load()
    from tool_registry_service.outgoing.client import OutgoingHttp  # noqa: PLC0415
    from tool_registry_service.outgoing.proxy import OutgoingProxy  # noqa: PLC0415

    return OutgoingProxy(server, OutgoingHttp.of(settings).network(), rules, meter)


def outgoing(settings: ToolsSettings) -> AsyncClient:
    """A client that checks every address that it goes to."""
    from tool_registry_service.outgoing.client import OutgoingHttp  # noqa: PLC0415 -- see the module's text

    return OutgoingHttp.of(settings).client()


async def result_faults(schema: Mapping[str, Any], result: Any) -> list[str]:
    """What is wrong with a tool's structured result, in sentences for a model. Raises SchemaTooComplex."""
    await load()
    from tool_registry_service.invocation import arguments as checking  # noqa: PLC0415

    return checking.faults_in(schema, result, "result")


async def argument_faults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with a call's arguments, in sentences for a model. Raises SchemaTooComplex."""
    await load()
    from tool_registry_service.invocation import arguments as checking  # noqa: PLC0415

    return checking.argument_faults(schema, arguments)
