"""What a route asks of its caller, as annotated dependencies in its signature (CONVENTIONS, habit 4).

    AgentsRead = Annotated[Principal, Depends(require("agents:read"))]

A route without one is public; a test of each service lists its public routes.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from kgents_shared.auth.principal import Principal
from kgents_shared.auth.tokens import TokenVerifier
from kgents_shared.errors import Forbidden, NotFound, Unauthenticated

_SCOPES = "__kgents_scopes__"
_SERVICES = "__kgents_services__"
Requirement = Callable[[Request], Awaitable[Principal]]


async def _principal(request: Request) -> Principal:
    header = request.headers.get("authorization", "")
    scheme, _, bearer = header.partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise Unauthenticated(
            "An access token is required: send it as `Authorization: Bearer <token>`.", code="token_required"
        )
    verifier = cast("TokenVerifier", request.app.state.token_verifier)
    return await verifier.verify(bearer.strip())


def require(*scopes: str) -> Requirement:
    """A dependency: the caller's principal, who has every one of `scopes`; 401 or 403 otherwise."""
    needed = frozenset(scopes)

    async def check(request: Request) -> Principal:
        principal = await _principal(request)
        if principal.kind == "service":
            raise Forbidden("A service's token opens only /internal.", code="service_token_here")
        if not needed <= principal.scopes:
            missing = " ".join(sorted(needed - principal.scopes))
            raise Forbidden(f"This needs the scope {missing}, which the token doesn't have.", code="scope_missing")
        return principal

    setattr(check, _SCOPES, needed)
    return check


def require_service(*names: str) -> Requirement:
    """A dependency for /internal routes: one of the named services; a person's token sees 404."""
    allowed = frozenset(names)

    async def check(request: Request) -> Principal:
        principal = await _principal(request)
        if principal.kind != "service":
            raise NotFound("There is nothing here.")
        if principal.subject not in allowed:
            raise Forbidden(f"{principal.subject} may not call this.", code="service_not_allowed")
        return principal

    setattr(check, _SERVICES, allowed)
    return check


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _requirements(app: FastAPI) -> Iterator[tuple[str, str, list[Any]]]:
    """`METHOD path`, the path, and the dependencies of everything that `app` routes to, included routers' routes too.

    What is no FastAPI route (a mounted app, a plain Starlette route) has no dependencies: it is public. The OpenAPI
    document, which every service has, is left out.
    """
    for route in iter_route_contexts(app.routes):
        path = route.path or ""
        if path == app.openapi_url:
            continue
        methods = "|".join(sorted(route.methods or ())) or "ANY"
        dependant = getattr(route, "dependant", None)
        yield f"{methods} {path}", path, list(_calls(dependant)) if isinstance(dependant, Dependant) else []


def public_routes(app: FastAPI) -> list[str]:
    """`METHOD path` of each route that asks nothing of its caller, sorted; `ANY` for WebSockets and mounted apps."""
    return sorted(
        label
        for label, _, calls in _requirements(app)
        if not any(hasattr(call, _SCOPES) or hasattr(call, _SERVICES) for call in calls)
    )


def route_scopes(app: FastAPI) -> dict[str, frozenset[str]]:
    """`METHOD path` → the scopes that it asks for; public and internal routes are left out."""
    found: dict[str, frozenset[str]] = {}
    for label, _, calls in _requirements(app):
        for call in calls:
            if hasattr(call, _SCOPES):
                found[label] = found.get(label, frozenset()) | getattr(call, _SCOPES)
    return found


def internal_routes_without_service(app: FastAPI) -> list[str]:
    """`METHOD path` of each /internal route that no service requirement guards; must be empty."""
    return sorted(
        label
        for label, path, calls in _requirements(app)
        if path.startswith("/internal") and not any(hasattr(call, _SERVICES) for call in calls)
    )
