"""The frame of every service: errors, correlation id, body limit, token verification, /health."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from kgents_shared.auth import IdentitySource, RevocationFeed, TokenVerifier
from kgents_shared.errors.handlers import install_error_handlers
from kgents_shared.http.edge import EdgeMiddleware
from kgents_shared.http.identity import Lifespan, asked_over_http, following
from kgents_shared.http.openapi import describe_refusals
from kgents_shared.http.routing import Router
from kgents_shared.http.settings import ServiceSettings

Probe = Callable[[], Awaitable[bool]]


class Health(BaseModel):
    """The answer of `GET /health`: `ok`, or `degraded` with status 503 and the parts that are away."""

    status: str
    service: str
    parts: dict[str, bool]


_health_router = Router(include_in_schema=False)


@_health_router.get("/health")
async def _health(request: Request, response: Response) -> Health:
    state = request.app.state
    parts = {name: await probe() for name, probe in state.health_probes.items()}
    healthy = all(parts.values())
    response.status_code = 200 if healthy else 503
    return Health(status="ok" if healthy else "degraded", service=state.service_name, parts=parts)


@dataclass(frozen=True, slots=True)
class ServiceFrame:
    """What tells one service's app from another's. `max_body_bytes` bounds every request body but those
    of the paths in `larger_bodies`, which has theirs.

    `identity` stands for the auth service; where it is left out, that is asked over HTTP.
    """

    name: str
    title: str
    settings: ServiceSettings
    lifespan: Lifespan
    routers: Sequence[Router]
    identity: IdentitySource | None = None
    max_body_bytes: int = 1_048_576
    larger_bodies: Mapping[str, int] = field(default_factory=dict[str, int])


def build_service_app(frame: ServiceFrame) -> FastAPI:
    """The service's FastAPI app. It opens nothing; its lifespan does.

    `app.state` gets `settings`, `token_verifier`, `health_probes` (name → async callable, filled by the lifespan) and
    `ending`, which is set when the server is about to stop: answers without an end shall end then.
    """
    settings = frame.settings
    source, lifespan = frame.identity, frame.lifespan
    if source is None:
        source, lifespan = asked_over_http(settings, frame.name, lifespan)
    elif isinstance(source.revocations, RevocationFeed):
        lifespan = following(lifespan, source.revocations)
    app = FastAPI(
        title=frame.title,
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        separate_input_output_schemas=False,
        redirect_slashes=False,  # the redirect would lead to whatever host the request names
    )
    app.state.settings = settings
    app.state.service_name = frame.name
    app.state.token_verifier = TokenVerifier(settings.issuer, source, frame.name)
    app.state.health_probes = dict[str, Probe]()
    app.state.ending = asyncio.Event()
    install_error_handlers(app)
    for router in (*frame.routers, _health_router):
        app.router.routes += router.routes
    describe_refusals(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "A2A-Version",
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "Mcp-Protocol-Version",
                "Mcp-Session-Id",
            ],
            expose_headers=["Mcp-Session-Id"],
        )
    app.add_middleware(EdgeMiddleware, max_body_bytes=frame.max_body_bytes, larger_bodies=frame.larger_bodies)
    return app
