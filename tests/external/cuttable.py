"""A way to a server that can be cut and mended, so that one test's service loses its database and no other's does."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

Mend = Callable[[], Awaitable[None]]
Cut = Callable[[], Awaitable[Mend]]


@asynccontextmanager
async def cuttable(url: str) -> AsyncGenerator[tuple[str, Cut]]:
    """`url` by way of a port of this process, and what cuts the way: every connection ends and none is taken."""
    far = urlsplit(url)
    if far.hostname is None or far.port is None:
        raise ValueError("the URL must name a host and a port")
    host, port = far.hostname, far.port
    writers: set[asyncio.StreamWriter] = set()
    running: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, port)
        ours = {writer, far_writer}
        writers.update(ours)
        ways = {asyncio.create_task(pass_on(reader, far_writer)), asyncio.create_task(pass_on(far_reader, writer))}
        running.update(ways)
        await asyncio.wait(ways)
        writers.difference_update(ours)
        running.difference_update(ways)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    near = server.sockets[0].getsockname()[1]

    async def mend() -> None:
        nonlocal server
        server = await asyncio.start_server(serve, "127.0.0.1", near)

    async def cut() -> Mend:
        server.close()
        for writer in writers:
            writer.transport.abort()
        if running:
            await asyncio.wait(set(running))
        return mend

    try:
        yield url.replace(f"{host}:{port}", f"127.0.0.1:{near}"), cut
    finally:
        await cut()
