"""A small HTTP API for tools to call: it keeps what it was sent, and answers as its path says."""

import asyncio
import json
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.external.running_runtime import serving

Scope = MutableMapping[str, Any]


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedApi:
    """What answers at `url`. `answers` maps a path to status, headers and body; others are echoed as JSON."""

    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(
        default_factory=dict[str, tuple[int, dict[str, str], bytes]]
    )

    def answer(self, path: str, body: Any = b"", status: int = 200, **headers: str) -> None:
        """Answer at a path; what isn't bytes is sent as JSON."""
        kind = {} if isinstance(body, bytes) else {"content-type": "application/json"}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, kind | named, sent)

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        """Send whoever asks at a path elsewhere."""
        self.answer(path, status=status, location=to)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """The ASGI app."""
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        path = scope["raw_path"].decode().partition("?")[0]
        self.requests.append(Request(scope["method"], path, query, headers, body))
        if path == "/nap":
            await asyncio.sleep(30)
        echo = json.dumps({"headers": headers, "query": query, "body": body.decode("utf-8", "replace")}).encode()
        status, answered, content = self.answers.get(path, (200, {"content-type": "application/json"}, echo))
        sent = [(name.encode(), value.encode()) for name, value in answered.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def scripted_api() -> AsyncGenerator[ScriptedApi]:
    """An API on a free port of the loopback."""
    api = ScriptedApi()
    async with serving(api, port=0, lifespan="off") as server:
        api.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield api
