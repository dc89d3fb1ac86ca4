"""Takes what is told over OTLP/HTTP and forgets it: `python -m benchmarks.references.otlp_sink`.

It tells `{"url": …}` when it listens.
"""

import asyncio
import json

from aiohttp import web

from benchmarks.candidate import HOST


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def _serve() -> None:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", _take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    address: tuple[str, int] = runner.addresses[0]
    print(json.dumps({"url": f"http://{HOST}:{address[1]}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
