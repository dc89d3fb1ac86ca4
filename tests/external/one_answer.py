"""Servers that give the same answer to everything: a streamed one, keeping what they were asked, or a web page."""

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
    async with _running(app) as address:
        yield address


@asynccontextmanager
async def one_page(html: str) -> AsyncGenerator[str]:
    """Its base address; there is no robots.txt."""

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/robots.txt":
            return web.Response(status=404)
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    async with _running(app) as address:
        yield address


@asynccontextmanager
async def _running(app: web.Application) -> AsyncGenerator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
