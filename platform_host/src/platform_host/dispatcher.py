"""The public listener's app: the path table picks the service, which is called in this process.

`/internal` is not reachable here, whatever its spelling: only rows of the table and the host's own pages are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import Headers

from kgents_shared.errors import NotFound
from kgents_shared.errors.handlers import problem_response
from kgents_shared.telemetry.correlation import CORRELATION_HEADER, accept_correlation_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from kgents_shared.contracts.path_table import PathTable


# An agent is talked to by one path over and over; long paths are left out, so that nobody fills the memory with them.
_KNOWN_PATHS = 4096
_LONGEST_KNOWN_PATH = 256


class Dispatcher:
    """Routes each request by `table` to one of `services`; paths in `pages` are the host's own.

    Headers that only servers may set are taken out of what comes in.
    """

    def __init__(self, table: PathTable, services: Mapping[str, ASGIApp], pages: Mapping[str, ASGIApp]) -> None:
        self._resolve = table.resolve
        self._resolve_known = lru_cache(maxsize=_KNOWN_PATHS)(table.resolve)
        self._services = services
        self._pages = pages
        self._server_only = tuple(prefix.lower().encode() for prefix in table.server_only_header_prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; websockets are refused, since nothing here speaks them."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        path: str = scope["path"]
        page = self._pages.get(path)
        if page is not None:
            await page(scope, receive, send)
            return
        target = (self._resolve_known if len(path) <= _LONGEST_KNOWN_PATH else self._resolve)(path)
        app = None if target is None else self._services.get(target.service)
        if target is None or app is None:
            await refuse_unknown(scope, receive, send)
            return
        await app(self._forwarded(scope, target.path), receive, send)

    def _forwarded(self, scope: Scope, path: str) -> Scope:
        """`scope` as the service shall see it; a copy, since the server keeps the original."""
        forwarded = dict(scope)
        if path != scope["path"]:
            forwarded["path"] = path
            forwarded["raw_path"] = quote(path).encode("ascii")
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if any(self._is_server_only(name) for name, _ in headers):
            forwarded["headers"] = [row for row in headers if not self._is_server_only(row[0])]
        return forwarded

    def _is_server_only(self, name: bytes) -> bool:
        """Whatever the case, and with `_` for `-`: who makes variables of headers, as CGI does, sees no difference."""
        return name.lower().replace(b"_", b"-").startswith(self._server_only)


async def refuse_unknown(scope: Scope, receive: Receive, send: Send) -> None:
    """404 as a problem document, the same for every path that isn't there."""
    current = accept_correlation_id(Headers(scope=scope).get(CORRELATION_HEADER))
    response = problem_response(NotFound("There is nothing at this path; /docs lists what there is."))
    response.headers[CORRELATION_HEADER] = current
    await response(scope, receive, send)
