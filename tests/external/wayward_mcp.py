"""An MCP server over HTTP, written on the wire alone, that keeps the protocol or breaks it as a tool's name says.

It answers each session for itself, knows how many are open, and lets in whom its `let_in` lets in.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

JsonObject = dict[str, Any]
ANY: JsonObject = {"type": "object"}
TOOLS = (
    "whoami", "swap", "elsewhere", "twice", "slow", "garbage", "page", "broken", "refused", "ends", "flood", "steps",
    "structured", "short",
)  # fmt: skip


def _nobody(_: web.Request) -> web.Response | None:
    return None


@dataclass
class WaywardServer:
    """The running server. What it was asked is in `sessions`, `cancelled` and `headers`."""

    url: str = ""
    sessions: dict[str, int] = field(default_factory=dict[str, int])
    open_sessions: set[str] = field(default_factory=set[str])
    most_open: int = 0
    cancelled: list[Any] = field(default_factory=list[Any])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    streams: list[asyncio.Queue[JsonObject]] = field(default_factory=list[asyncio.Queue[JsonObject]])
    tools: list[JsonObject] = field(default_factory=list[JsonObject])
    result: JsonObject = field(default_factory=dict[str, Any])
    let_in: Callable[[web.Request], web.Response | None] = _nobody
    waiting: int = 0

    def forget(self) -> None:
        """Be as at the start."""
        fresh = WaywardServer(self.url)
        fresh.tools = [{"name": name, "description": f"does {name}", "inputSchema": ANY} for name in TOOLS]
        self.__dict__.update(fresh.__dict__)

    def tell(self, message: JsonObject) -> None:
        """Send a message to every session that listens."""
        for stream in self.streams:
            stream.put_nowait({"jsonrpc": "2.0", **message})

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One message of a client."""
        self.headers.append(dict(request.headers))
        if (refused := self.let_in(request)) is not None:
            return refused
        message = await request.json()
        if message.get("method") == "initialize":
            return self._initialize(message)
        session = request.headers.get("Mcp-Session-Id", "")
        if session not in self.open_sessions:
            return web.Response(status=404)
        if "id" not in message or "method" not in message:
            if message.get("method") == "notifications/cancelled":
                self.cancelled.append(message["params"]["requestId"])
            return web.Response(status=202)
        if message["method"] == "tools/call":
            self.sessions[session] += 1
            return await self._call(request, session, message)
        return _answer(message["id"], self._listed(message["method"], message.get("params") or {}))

    def _initialize(self, message: JsonObject) -> web.Response:
        session = secrets.token_hex(8)
        self.sessions[session] = 0
        self.open_sessions.add(session)
        self.most_open = max(self.most_open, len(self.open_sessions))
        result = {
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}},
            "serverInfo": {"name": "wayward", "version": "7"},
        }
        return _answer(message["id"], result, session)

    def _listed(self, method: str, params: JsonObject) -> JsonObject:
        notes = {"uri": "notes://one", "name": "one", "description": "a note", "mimeType": "text/plain"}
        asked = {"name": "topic", "description": "what about", "required": True}
        topic = params.get("arguments", {}).get("topic")
        text = {"type": "text", "text": f"write about {topic}"}
        listed: dict[str, JsonObject] = {
            "tools/list": {"tools": self.tools},
            "resources/list": {"resources": [notes]},
            "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "notes://{name}", "name": "any"}]},
            "resources/read": {"contents": [{"uri": params.get("uri"), "mimeType": "text/plain", "text": "hello\x00"}]},
            "prompts/list": {"prompts": [{"name": "write", "description": "writes", "arguments": [asked]}]},
            "prompts/get": {"messages": [{"role": "user", "content": text}]},
        }
        return listed.get(method, {})

    async def _call(self, request: web.Request, session: str, message: JsonObject) -> web.StreamResponse:
        number, arguments = message["id"], message["params"]["arguments"]
        name = message["params"]["name"]
        if name == "slow":
            return await self._slow(request)
        if name == "short":
            return await _cut_short(request)
        if name == "whoami":
            await asyncio.sleep(0.02)
            return _answer(number, _text(f"{session} {arguments['who']}"))
        streamed = {
            "twice": [_result(number, _text("one")), _result(number, _text("two"))],
            "steps": [*_steps(message), _result(number, _text("done"))],
            "ends": [],
        }
        if name in streamed:
            return await _streamed(request, streamed[name])
        at_once = {
            "swap": _answer(number + 1, _text("for somebody else")),
            "elsewhere": _answer(number, _text("from elsewhere"), session="another-session"),
            "garbage": web.Response(text="{not json", content_type="application/json"),
            "page": web.Response(text="<h1>hello</h1>", content_type="text/html"),
            "broken": web.Response(status=500),
            "refused": web.Response(status=403),
            "flood": _answer(number, _text("x" * int(arguments.get("bytes", 0)))),
            "structured": _answer(number, _text("it") | self.result),
        }
        return at_once.get(name) or _answer(number, _text("hello"))

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        """Headers at once, and never an answer; `waiting` says how many wait like that."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.waiting += 1
        try:
            while True:
                await asyncio.sleep(0.05)
                await response.write(b": still there\n\n")
        finally:
            self.waiting -= 1

    async def get(self, request: web.Request) -> web.StreamResponse:
        """What the server says by itself."""
        if request.headers.get("Mcp-Session-Id", "") not in self.open_sessions:
            return web.Response(status=404)
        queue: asyncio.Queue[JsonObject] = asyncio.Queue()
        self.streams.append(queue)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(_event(await queue.get()))
        finally:
            if queue in self.streams:
                self.streams.remove(queue)

    async def delete(self, request: web.Request) -> web.Response:
        """The end of a session."""
        self.open_sessions.discard(request.headers.get("Mcp-Session-Id", ""))
        return web.Response(status=204)


def _text(text: str) -> JsonObject:
    return {"content": [{"type": "text", "text": text}]}


def _steps(message: JsonObject) -> list[JsonObject]:
    token = message["params"]["_meta"].get("progressToken")
    said = ({"progressToken": token, "progress": step, "total": 2, "message": f"step {step}"} for step in (1, 2))
    return [{"jsonrpc": "2.0", "method": "notifications/progress", "params": params} for params in said]


def _result(number: Any, result: JsonObject) -> JsonObject:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _answer(number: Any, result: JsonObject, session: str = "") -> web.Response:
    headers = {"Mcp-Session-Id": session} if session else {}
    return web.json_response(_result(number, result), headers=headers)


def _event(message: JsonObject) -> bytes:
    return f"event: message\ndata: {json.dumps(message)}\n\n".encode()


async def _cut_short(request: web.Request) -> web.StreamResponse:
    """Ten bytes where a thousand were announced."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"jsonrpc"')
    if request.transport is not None:
        request.transport.close()
    return response


async def _streamed(request: web.Request, messages: list[JsonObject]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for message in messages:
        await response.write(_event(message))
        if "method" in message:
            await asyncio.sleep(0.1)
    await response.write_eof()
    return response


@asynccontextmanager
async def wayward_server(routes: Sequence[web.RouteDef] = ()) -> AsyncGenerator[WaywardServer]:
    """The server at `/mcp`, with further routes."""
    server = WaywardServer()
    app = web.Application(client_max_size=4_000_000)
    app.router.add_post("/mcp", server.post)
    app.router.add_get("/mcp", server.get)
    app.router.add_delete("/mcp", server.delete)
    app.router.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    server.forget()
    try:
        yield server
    finally:
        await runner.cleanup()
