"""What the route listings find: a listing that misses a route would call an open door closed."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette
from starlette.websockets import WebSocket

from kgents_shared.auth import (
    Principal,
    internal_routes_without_service,
    public_routes,
    require,
    require_service,
    route_scopes,
)

AgentsRead = Annotated[Principal, Depends(require("agents:read"))]
FromRuntime = Annotated[Principal, Depends(require_service("runtime"))]


def an_app() -> FastAPI:
    inner = APIRouter(prefix="/inner", dependencies=[Depends(require("tools:read"))])
    outer = APIRouter(prefix="/outer")

    @inner.get("/guarded")
    async def guarded_by_its_router(_: AgentsRead) -> None: ...

    @outer.post("/open")
    async def open_to_all() -> None: ...

    @outer.websocket("/live")
    async def live(socket: WebSocket) -> None: ...

    @outer.get("/agents")
    async def agents(_: AgentsRead) -> None: ...

    outer.include_router(inner)
    internal = APIRouter(prefix="/internal")

    @internal.get("/desired")
    async def desired(_: FromRuntime) -> None: ...

    @internal.get("/forgotten")
    async def forgotten(_: AgentsRead) -> None: ...

    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(outer, prefix="/api/v1")
    app.include_router(internal)
    app.mount("/mounted", Starlette())
    return app


def test_routes_of_included_routers_mounted_apps_and_websockets_are_listed_as_public():
    assert public_routes(an_app()) == ["ANY /api/v1/outer/live", "ANY /mounted", "POST /api/v1/outer/open"]


def test_a_routes_scopes_are_those_of_its_signature_and_of_its_routers():
    assert route_scopes(an_app()) == {
        "GET /api/v1/outer/agents": {"agents:read"},
        "GET /api/v1/outer/inner/guarded": {"agents:read", "tools:read"},
        "GET /internal/forgotten": {"agents:read"},
    }


def test_an_internal_route_that_only_asks_for_a_scope_is_reported():
    assert internal_routes_without_service(an_app()) == ["GET /internal/forgotten"]
