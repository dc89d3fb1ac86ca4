"""The host's own pages at the public address: `/`, `/health`, `/docs`, `/openapi.json`.

The documentation page loads nothing from elsewhere: Swagger UI's files come out of an installed package.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from platform_host.health_board import HealthBoard

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kgents API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"><noscript>The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#api", deepLinking: true, tagsSorter: "alpha", persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout", validatorUrl: null
});
"""


@dataclass(frozen=True, slots=True)
class _Body:
    content: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes) -> _Body:
        return cls(content, f'"{hashlib.sha256(content).hexdigest()[:24]}"')


class _Page:
    """An ASGI app that answers GET and HEAD by one function."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] in ("GET", "HEAD"):
            response = self._answer(Request(scope, receive))
        else:
            response = Response(status_code=405, headers={"Allow": "GET, HEAD"})
        await response(scope, receive, send)


def health_page(board: HealthBoard) -> ASGIApp:
    """`/health`: 200 when all is well, else 503, with each part's status."""

    def answer(_: Request) -> Response:
        headers = {"Cache-Control": "no-store"}
        return JSONResponse(board.document(), 200 if board.healthy else 503, headers=headers)

    return _Page(answer)


def public_pages(board: HealthBoard, document: Callable[[], dict[str, Any]]) -> Mapping[str, ASGIApp]:
    """Every page of the host by its path. `document` gives the OpenAPI document, asked for once when first needed."""

    @cache
    def openapi() -> _Body:
        return _Body.of(json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode())

    start = _Body.of(_START.encode())

    pages: dict[str, ASGIApp] = {
        "/": _Page(lambda _: RedirectResponse("/docs", 307)),
        "/health": health_page(board),
        "/openapi.json": _Page(lambda request: _cached(request, openapi(), "application/json")),
        "/docs": _Page(lambda _: _document_page()),
        "/docs/start.js": _Page(lambda request: _cached(request, start, "text/javascript")),
    }
    for name, kind in (("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css")):
        pages[f"/docs/{name}"] = _file_page(name, kind)
    return pages


def _document_page() -> Response:
    headers = {"Content-Security-Policy": _CONTENT_POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(_PAGE, media_type="text/html", headers=headers)


def _file_page(name: str, media_type: str) -> ASGIApp:
    return _Page(lambda request: _cached(request, _asset(name), media_type))


@cache
def _asset(name: str) -> _Body:
    """One of Swagger UI's files, from the package that carries them."""
    found = find_spec("fastapi_offline")
    for root in (found.submodule_search_locations or []) if found else []:
        return _Body.of(Path(root, "static", name).read_bytes())
    raise FileNotFoundError(f"{name}: the package fastapi-offline is missing")


def _cached(request: Request, body: _Body, media_type: str) -> Response:
    """`body`, or 304 where the browser has it already."""
    headers = {"ETag": body.tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == body.tag:
        return Response(status_code=304, headers=headers)
    return Response(body.content, media_type=media_type, headers=headers)
