"""The scripted MCP server over HTTP, by the official library: `python -m tests.external.scripted_mcp_server FOLDER`.

It has the tools of the one over stdio, and writes its port to FOLDER, where `authorization` is the only header of that
name that it answers.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from tests.external.scripted_stdio_server import JsonObject, ScriptedTools

FOLDER = Path(sys.argv[1])
server: Server[Any, Any] = Server("scripted", version="1")


async def tell_of_change() -> None:
    """Notify whoever calls."""
    await server.request_context.session.send_tool_list_changed()


tools = ScriptedTools(FOLDER, tell_of_change)


def params_of(request: types.ListToolsRequest | types.CallToolRequest | None) -> JsonObject:
    """As they were on the wire; the library asks for its own purposes with None."""
    if request is None or request.params is None:
        return {}
    return request.params.model_dump(by_alias=True, exclude_none=True)


async def list_tools(request: types.ListToolsRequest | None) -> types.ServerResult:
    """One page."""
    return types.ServerResult(types.ListToolsResult.model_validate(tools.page(params_of(request))))


async def call_tool(request: types.CallToolRequest) -> types.ServerResult:
    """What the tool gives."""
    return types.ServerResult(types.CallToolResult.model_validate(await tools.call(params_of(request))))


server.request_handlers[types.ListToolsRequest] = list_tools
server.request_handlers[types.CallToolRequest] = call_tool


async def serve() -> None:
    """Speak at /mcp, on a free port."""
    sessions = StreamableHTTPSessionManager(server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with sessions.run():
            yield

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        wanted = tools.told("authorization", "")
        if wanted and Headers(scope=scope).get("authorization") != wanted:
            await Response(status_code=401)(scope, receive, send)
            return
        await sessions.handle_request(scope, receive, send)

    app = Starlette(routes=[Mount("/mcp", app=guarded)], lifespan=lifespan)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(tools.told("port", "0"))))
    web = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    port = FOLDER / "port.new"
    port.write_text(str(listener.getsockname()[1]), encoding="utf-8")
    port.rename(FOLDER / "port")
    await web.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve())
