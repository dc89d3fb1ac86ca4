"""The private listener's app: `/<service>/<path>` is `<path>` of that service, `/internal` included.

It listens on the loopback address only, and every `/internal` route asks for a service's token besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from platform_host.dispatcher import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send


class PrivateRouter:
    """Serves each service of `services` below its name, and the host's `pages` beside them."""

    def __init__(self, services: Mapping[str, ASGIApp], pages: Mapping[str, ASGIApp]) -> None:
        self._services = services
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        name, slash, rest = scope["path"][1:].partition("/")
        app = self._services.get(name) if slash else self._pages.get(scope["path"])
        if app is None:
            await refuse_unknown(scope, receive, send)
            return
        if slash:
            path = f"/{rest}"
            scope = {**scope, "path": path, "raw_path": quote(path).encode("ascii")}
        await app(scope, receive, send)
