"""An MCP server for the tests, as a process of its own: `scripted_mcp_server.py http|stdio FOLDER`.

What it does is told by files in FOLDER: `description` (of its tool `echo`), `extra_tools` (a number of further ones),
`calls` (one line appended for each call of `count`), `authorization` (the only header
of that name that it answers over HTTP). Over HTTP it writes its port to `port`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp import types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

FOLDER = Path(sys.argv[2])
PAGE = 3
TEXT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 100}},
    "required": ["text"],
    "additionalProperties": False,
}
ANY_SCHEMA: dict[str, Any] = {"type": "object"}
server: Server[Any, Any] = Server("scripted", version="1")


def told(name: str, default: str) -> str:
    """The content of a file in FOLDER."""
    file = FOLDER / name
    return file.read_text("utf-8").strip() if file.exists() else default


def tools() -> list[types.Tool]:
    """What it offers now."""
    names = ["count", "die", "environment", "fail", "flood", "locked_out", "nap", "picture", "renotify", "say", "spawn"]
    names += [f"extra-{number}" for number in range(int(told("extra_tools", "0")))]
    rows = [types.Tool(name=name, description=f"does {name}", inputSchema=ANY_SCHEMA) for name in names]
    echo = types.Tool(name="echo", description=told("description", "gives the text back"), inputSchema=TEXT_SCHEMA)
    return [echo, *rows]


async def list_tools(request: types.ListToolsRequest | None) -> types.ServerResult:
    """One page; the library asks for its own purposes with None."""
    params = request.params if request is not None else None
    start = int(params.cursor) if params is not None and params.cursor is not None else 0
    rows = tools()
    more = str(start + PAGE) if start + PAGE < len(rows) else None
    return types.ServerResult(types.ListToolsResult(tools=rows[start : start + PAGE], nextCursor=more))


server.request_handlers[types.ListToolsRequest] = list_tools


@server.call_tool(validate_input=False)
async def call_tool(name: str, arguments: dict[str, Any]) -> list[types.ContentBlock]:
    """Each tool is one line or two."""
    if name == "picture":
        return [types.ImageContent(type="image", data="aGVsbG8=", mimeType="image/png")]
    return [types.TextContent(type="text", text=await answer(name, arguments))]


async def answer(name: str, arguments: dict[str, Any]) -> str:  # noqa: PLR0911 -- one return a tool
    """The text that a tool gives."""
    match name:
        case "echo":
            return str(arguments["text"])
        case "count":
            return count(arguments)
        case "die":
            os._exit(3)
        case "environment":
            return json.dumps(dict(os.environ))
        case "flood":
            return "x" * int(arguments["bytes"])
        case "locked_out":
            return locked_out(arguments)
        case "nap":
            count(arguments)
            await anyio.sleep(float(arguments["seconds"]))
            return "woke up"
        case "renotify":
            await server.request_context.session.send_tool_list_changed()
            return "told"
        case "say":
            sys.stderr.write(f"{arguments['text']}\n")
            return "said"
        case "spawn":
            child = subprocess.Popen(["/bin/sleep", str(arguments["seconds"])])  # noqa: ASYNC220 -- it must outlive this call
            return str(child.pid)
        case _:
            raise ValueError(f"{name} went wrong, as it was asked to")


def count(arguments: dict[str, Any]) -> str:
    """Append a line with the call's idempotency key, and say how many there are."""
    meta = server.request_context.meta
    key = (meta.model_extra or {}).get("kgents/idempotency-key", "") if meta is not None else ""
    with (FOLDER / "calls").open("a", encoding="utf-8") as file:
        file.write(f"{key} {json.dumps(arguments)}\n")
    return str(len((FOLDER / "calls").read_text("utf-8").splitlines()))


def locked_out(arguments: dict[str, Any]) -> str:
    """What of the machine can be reached: a port on the loopback, a file."""
    found: dict[str, str] = {}
    try:
        socket.create_connection(("127.0.0.1", int(arguments["port"])), timeout=2).close()
        found["network"] = "reached"
    except OSError as error:
        found["network"] = type(error).__name__
    try:
        found["file"] = Path(arguments["file"]).read_text("utf-8")
    except OSError as error:
        found["file"] = type(error).__name__
    return json.dumps(found)


async def serve_stdio() -> None:
    """Speak over the standard streams."""
    options = server.create_initialization_options(NotificationOptions(tools_changed=True))
    async with stdio_server() as (read, write):
        await server.run(read, write, options)


async def serve_http() -> None:
    """Speak over HTTP at /mcp, on a free port."""
    sessions = StreamableHTTPSessionManager(server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with sessions.run():
            yield

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        wanted = told("authorization", "")
        if wanted and Headers(scope=scope).get("authorization") != wanted:
            await Response(status_code=401)(scope, receive, send)
            return
        await sessions.handle_request(scope, receive, send)

    app = Starlette(routes=[Mount("/mcp", app=guarded)], lifespan=lifespan)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(told("port", "0"))))
    web = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    port = FOLDER / "port.new"
    port.write_text(str(listener.getsockname()[1]), encoding="utf-8")
    port.rename(FOLDER / "port")
    await web.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve_http() if sys.argv[1] == "http" else serve_stdio())
