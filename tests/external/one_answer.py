"""A server that gives the same streamed answer to everything, and keeps what it was asked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def one_answer(answer: bytes, asked: list[dict[str, Any]]) -> AsyncGenerator[str]:
    """Its base address."""

    async def handle(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.Response(body=answer, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
