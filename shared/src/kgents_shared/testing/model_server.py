"""A model server for tests, demos and benchmarks: OpenAI's wire over real HTTP, scripted answers and faults.

In a test:

    async with ModelServer() as model:
        model.script("Hello!", rate_limited(2), CutStream())   # one each, then the default answers
        ...                                                     # OPENAI_BASE_URL=model.base_url
        assert model.requests[0].authorization == "Bearer sk-test"

As a process: `python -m kgents_shared.testing.model_server --port 9000`.
"""

import argparse
import asyncio
import inspect
import itertools
import json
import signal
import sys
from collections import deque
from typing import Self

from aiohttp import web

from kgents_shared.testing.dialects import Dialect, OpenAiDialect
from kgents_shared.testing.model_answers import (
    Answer,
    Answering,
    CutStream,
    HugeAnswer,
    NeverAnswers,
    RawAnswer,
    Reply,
    ScriptItem,
    SlowBytes,
    StatusFault,
    ToolCall,
    default_answer,
    rate_limited,
    server_error,
)
from kgents_shared.testing.model_requests import ModelRequest, parse_object
from kgents_shared.testing.model_sending import Asked, fault_response, send

__all__ = [
    "Answer",
    "CutStream",
    "HugeAnswer",
    "ModelRequest",
    "ModelServer",
    "NeverAnswers",
    "RawAnswer",
    "Reply",
    "ScriptItem",
    "SlowBytes",
    "StatusFault",
    "ToolCall",
    "default_answer",
    "rate_limited",
    "server_error",
]

_OPENAI = OpenAiDialect()


class ModelServer:
    """OpenAI's `/v1/chat/completions` and `/v1/models` on a free port of this machine, or what other dialects have.

    Of several `dialects` the first one is the server's own; the others stand beside it on paths of theirs.

    `api_key`, if given, is demanded as the bearer (401 otherwise). `keep` bounds `requests` (0: none).
    `stop()` and `start()` again take the same port, for tests of a model server that is down.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        models: tuple[str, ...] = ("fake-model",),
        api_key: str | None = None,
        keep: int | None = None,
        dialects: tuple[Dialect, ...] = (_OPENAI,),
    ) -> None:
        self.host = host
        self.port = port
        self.models = list(models)
        self.api_key = api_key
        self.requests: deque[ModelRequest] = deque(maxlen=keep)
        self.in_flight = 0
        self.dialects = dialects
        self._script: deque[ScriptItem] = deque()
        self._standing: Answering = default_answer
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL takes, `http://127.0.0.1:<port>/v1`, or the setting of another provider."""
        return f"http://{self.host}:{self.port}{self.dialects[0].base_path}"

    @property
    def completions(self) -> list[ModelRequest]:
        """The recorded requests that asked for an answer."""
        return [request for request in self.requests if self._dialect(request.path) is not None]

    def script(self, *items: ScriptItem) -> None:
        """Queue answers: each serves one completion, in order. A str is a Reply; a callable gets the request."""
        self._script.extend(items)

    def answer_with(self, answering: Answering) -> None:
        """Set what answers when the queue is empty (at first: `default_answer`)."""
        self._standing = answering

    def reset(self) -> None:
        """Forget the requests, the queue and the standing answer."""
        self.requests.clear()
        self._script.clear()
        self._standing = default_answer

    async def start(self) -> None:
        """Listen; on the earlier port if it listened before."""
        self._stopping.clear()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for path in dict.fromkeys(dialect.list_path for dialect in self.dialects):
            app.router.add_get(path, self._list_models)
        app.router.add_get("/health", _health)
        self.add_routes(app)
        app.router.add_post("/{anything:.*}", self._complete)
        app.router.add_route("*", "/{anything:.*}", self._unknown)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, self.host, self.port, backlog=1024).start()
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    def add_routes(self, app: web.Application) -> None:
        """For servers that have more paths."""

    async def stop(self) -> None:
        """Close the listener and every connection, also those of requests that are never answered."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        dialect = self._dialect(http.path)
        if dialect is None:
            return await self._unknown(http)
        request = await self.record(http, dialect)
        refusal = self._refusal(request, dialect)
        if refusal is not None:
            return fault_response(dialect, refusal)
        self.in_flight += 1
        try:
            return await self._answer(http, request, dialect)
        finally:
            self.in_flight -= 1

    async def _answer(self, http: web.Request, request: ModelRequest, dialect: Dialect) -> web.StreamResponse:
        answer = await self._choose(request)
        if isinstance(answer, NeverAnswers):
            await self._stopping.wait()
            return web.Response(status=503)
        return await send(Asked(http, request, dialect, next(self._numbers)), answer)

    def _dialect(self, path: str) -> Dialect | None:
        return next((dialect for dialect in self.dialects if dialect.takes(path)), None)

    async def _list_models(self, http: web.Request) -> web.StreamResponse:
        dialect = next(dialect for dialect in self.dialects if dialect.list_path == http.path)
        refusal = self._wrong_key(await self.record(http), dialect)
        if refusal is not None:
            return fault_response(dialect, refusal)
        return web.json_response(dialect.models(self.models))

    async def _unknown(self, http: web.Request) -> web.StreamResponse:
        request = await self.record(http)
        message = f"Invalid URL ({request.method} {request.path})"
        fault = StatusFault(status=404, message=message, kind="invalid_request_error")
        return fault_response(self.dialects[0], fault)

    async def record(self, http: web.Request, dialect: Dialect | None = None) -> ModelRequest:
        """Keep a request for assertions."""
        raw = await http.read()
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = ModelRequest(http.method, http.path, headers, raw, parse_object(raw))
        if dialect is not None:
            request = dialect.read(request)
        self.requests.append(request)
        return request

    def _wrong_key(self, request: ModelRequest, dialect: Dialect) -> StatusFault | None:
        if self.api_key is None or dialect.key_of(request) == self.api_key:
            return None
        message = "Incorrect API key provided."
        return StatusFault(401, message, "invalid_request_error", "invalid_api_key")

    def _refusal(self, request: ModelRequest, dialect: Dialect) -> StatusFault | None:
        wrong_key = self._wrong_key(request, dialect)
        if wrong_key is not None:
            return wrong_key
        fault = dialect.fault(request)
        return StatusFault(400, fault, "invalid_request_error") if fault is not None else None

    async def _choose(self, request: ModelRequest) -> Answer:
        item: ScriptItem = self._script.popleft() if self._script else self._standing
        chosen = item(request) if callable(item) else item
        answer = await chosen if inspect.isawaitable(chosen) else chosen
        return Reply(text=answer) if isinstance(answer, str) else answer


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def serve(host: str, port: int, models: tuple[str, ...]) -> None:
    """Run until SIGTERM or SIGINT; the first line on stdout is `{"base_url": …, "port": …}` once it listens."""
    ended = asyncio.Event()
    # Through the loop: an exception out of a signal's handler is lost where it meets a finalizer.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with ModelServer(host=host, port=port, models=models, keep=0) as server:
        sys.stdout.write(json.dumps({"base_url": server.base_url, "port": server.port}) + "\n")
        sys.stdout.flush()
        await ended.wait()


def main(arguments: list[str] | None = None) -> None:
    """Command line of the process."""
    import uvloop  # noqa: PLC0415 - only the process needs it

    parser = argparse.ArgumentParser(description="A model server for tests: OpenAI's wire, no latency, no model.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, told on stdout")
    parser.add_argument("--model", action="append", help="a model's name to list; more than once for more")
    options = parser.parse_args(arguments)
    uvloop.run(serve(options.host, options.port, tuple(options.model or ["fake-model"])))


if __name__ == "__main__":
    main()
