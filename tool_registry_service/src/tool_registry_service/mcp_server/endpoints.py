"""`/mcp`, and where its tokens come from."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from kgents_shared.auth import Principal, require
from kgents_shared.errors import Forbidden, Unauthenticated
from kgents_shared.http.routing import Router
from tool_registry_service.mcp_server.callers import Caller
from tool_registry_service.mcp_server.door import McpDoor
from tool_registry_service.mcp_server.offers import READS_AGENTS, READS_RUNS, READS_TOOLS
from tool_registry_service.mcp_server.schemas import ProtectedResource
from tool_registry_service.settings import ToolsSettings

_PATH = "/mcp"
_METADATA = "/.well-known/oauth-protected-resource"
_PARSE_ERROR = -32700
_SignedIn = Annotated[Principal, Depends(require())]
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _McpRoute(APIRoute):
    """A route whose refusals lead an MCP client to what it needs, and which no foreign page can use."""

    def get_route_handler(self) -> _Handler:
        """The handler with both checks around it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            settings = cast("ToolsSettings", request.app.state.settings)
            _check_origin(request, settings)
            try:
                return await handle(request)
            except Unauthenticated as error:
                challenge = error.headers["WWW-Authenticate"]
                comma = "," if " " in challenge else ""
                # RFC 9728 §5.1
                error.headers["WWW-Authenticate"] = (
                    f'{challenge}{comma} resource_metadata="{settings.issuer}{_METADATA}{_PATH}"'
                )
                raise

        return checked


router = Router(tags=["mcp"])
mcp_router = Router(route_class=_McpRoute, include_in_schema=False)


@router.get(_METADATA)
@router.get(f"{_METADATA}{_PATH}", operation_id="protected_resource_of_mcp")
async def protected_resource(request: Request) -> ProtectedResource:
    """Which server gives the tokens that `/mcp` takes, and the scopes that bring something there."""
    settings = cast("ToolsSettings", request.app.state.settings)
    return ProtectedResource(
        resource=f"{settings.issuer}{_PATH}",
        authorization_servers=[settings.issuer],
        scopes_supported=[*READS_AGENTS, *READS_TOOLS, *READS_RUNS],
        bearer_methods_supported=["header"],
        resource_name="Kgents",
    )


@mcp_router.api_route(_PATH, methods=["GET", "POST", "DELETE"])
async def mcp(request: Request, principal: _SignedIn) -> Response:
    """The caller's agents and tools over the Model Context Protocol (streamable HTTP)."""
    body = await request.body()
    if request.method == "POST" and (fault := _unreadable(body)) is not None:
        return fault
    door = cast("McpDoor", request.app.state.mcp_door)
    _, _, bearer = request.headers["authorization"].partition(" ")
    return _Served(door, Caller(principal, bearer.strip()), body)


class _Served(Response):
    """What the sessions answer."""

    def __init__(self, door: McpDoor, caller: Caller, body: bytes) -> None:
        super().__init__()
        self._door = door
        self._caller = caller
        self._read: bytes | None = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request over, its body first."""

        async def replayed() -> Message:
            if self._read is None:
                return await receive()
            body, self._read = self._read, None
            return {"type": "http.request", "body": body, "more_body": False}

        sessions = await self._door.sessions()
        await sessions.serve(self._caller, scope, replayed, send)


def _unreadable(body: bytes) -> Response | None:
    """The refusal of a body that is no JSON, or is nested without end."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        error = {"code": _PARSE_ERROR, "message": "The body is no JSON."}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)
    return None


def _check_origin(request: Request, settings: ToolsSettings) -> None:
    """Browsers say whose page asks; only our own and those that the operator lists may (MCP, transports: security)."""
    origin = request.headers.get("origin")
    if origin is None:
        return
    parts = urlsplit(settings.issuer)
    if origin not in {f"{parts.scheme}://{parts.netloc}", *settings.cors_origins}:
        raise Forbidden("Pages of this origin may not use this.", code="origin_refused")
