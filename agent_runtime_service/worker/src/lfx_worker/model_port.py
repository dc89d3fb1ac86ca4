"""Where a flow's model components send what they ask: OpenAI's wire on the sandbox's loopback, passed on to the door.

Each run has a key of its own, which is all that the components know: it says whose run a request belongs to. The
account's key, the model and its limits are put in behind the door, as for every agent.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson
from aiohttp import web

from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed

# Not 127.0.0.1: inside of a container, Langflow takes that for the machine around it.
_HOST = "127.0.0.2"
_MOST_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class ModelUse:
    """What one run may ask of its model, and what came of it. `failure` is the last refusal."""

    door: RunDoor
    provider: str
    most_requests: int
    requests: int = 0
    failure: RunFailed | None = None
    key: str = field(default_factory=lambda: f"run-{secrets.token_urlsafe(24)}")


class ModelPort:
    """The listener; `base_url` is what components are told."""

    def __init__(self) -> None:
        self._uses: dict[str, ModelUse] = {}
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Listen for as long as the context is open."""
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_route("*", "/{anything:.*}", _nothing_else)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, _HOST, 0).start()
        self.base_url = f"http://{_HOST}:{runner.addresses[0][1]}/v1"
        try:
            yield
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def used_by(self, use: ModelUse) -> AsyncGenerator[ModelUse]:
        """Take requests with the use's key for as long as the context is open."""
        self._uses[use.key] = use
        try:
            yield use
        finally:
            del self._uses[use.key]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        use = self._uses.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if use is None:
            return _refused(RunFailed("unauthenticated", "The run that this key was made for is over.", status=401))
        try:
            use.requests += 1
            if use.requests > use.most_requests:
                detail = f"The flow asked its models more than {use.most_requests} times."
                raise RunFailed("max_steps_reached", detail)
            return await _passed_on(request, use)
        except RunFailed as failed:
            use.failure = failed
            return _refused(failed)


async def _passed_on(request: web.Request, use: ModelUse) -> web.StreamResponse:
    body = await request.read()
    async with use.door.completion(use.provider, body) as answer:
        if answer.content_type == "application/json":
            return web.Response(body=_with_usage(await answer.read()), content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": answer.headers.get("Content-Type", "application/json")})
        await response.prepare(request)
        try:
            async for data in answer.content.iter_any():
                await response.write(data)
        except aiohttp.ClientError:
            # The status is sent already: a connection that breaks off is how the far side learns of it.
            use.failure = RunFailed(
                "provider_cut", f"The provider {use.provider} broke off in the middle of its answer."
            )
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response


def _with_usage(body: bytes) -> bytes:
    """Langflow takes it for granted that a whole answer tells its usage; not every model server does."""
    document = orjson.loads(body)
    if isinstance(document, dict) and document.get("usage") is None:
        document["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return orjson.dumps(document)
    return body


async def _nothing_else(request: web.Request) -> web.Response:
    detail = f"Of OpenAI's wire there are chat completions here, no {request.path}."
    return _refused(RunFailed("not_found", detail, status=404))


def _refused(failed: RunFailed) -> web.Response:
    body = {"error": {"message": failed.detail, "type": failed.code, "code": failed.code}}
    # The clients of OpenAI's wire would otherwise ask twice more, each counted.
    headers = {"x-should-retry": "false"}
    return web.Response(body=orjson.dumps(body), status=failed.status, headers=headers, content_type="application/json")
