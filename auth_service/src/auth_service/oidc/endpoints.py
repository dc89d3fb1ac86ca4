"""GET /auth/oidc/{name}/start, /auth/oidc/{name}/callback: the two ends of a browser's way to an issuer and back."""

from typing import Annotated

from fastapi import Query, Request, Response, status
from fastapi.responses import RedirectResponse

from auth_service.dependencies import Network, ReadyParts
from auth_service.oidc.schemas import CameBack
from auth_service.oidc.service import LIFETIME_S, LoginRefused
from auth_service.people.endpoints import token_pair
from auth_service.people.schemas import TokenPair
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/auth/oidc", tags=["auth"])


@router.get(
    "/{name}/start",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=refusals(429),
)
async def begin_login(name: str, parts: ReadyParts, network: Network) -> RedirectResponse:
    """Send a browser to an issuer to log in there."""
    await parts.limits.visit("oidc", network)
    begun = await parts.oidc.begin(name)
    answer = RedirectResponse(begun.location, status.HTTP_303_SEE_OTHER, {"Cache-Control": "no-store"})
    is_https = _is_https(parts.settings.issuer)
    # Lax: the browser comes back from another site, by a link.
    answer.set_cookie(
        _cookie(parts.settings.issuer),
        begun.browser_secret,
        max_age=LIFETIME_S,
        httponly=True,
        secure=is_https,
        samesite="lax",
    )
    return answer


@router.get("/{name}/callback", responses=refusals(401, 403, 409, 429))
async def finish_login(
    name: str,
    came: Annotated[CameBack, Query()],
    request: Request,
    response: Response,
    parts: ReadyParts,
    network: Network,
) -> TokenPair:
    """Where an issuer sends the browser back to: tokens of ours for whoever it says it is."""
    cookie = _cookie(parts.settings.issuer)
    try:
        grant = await parts.oidc.finish(name, request.cookies.get(cookie), came)
    except LoginRefused:
        await parts.limits.wrong("oidc", network)
        raise
    response.delete_cookie(cookie, secure=_is_https(parts.settings.issuer), httponly=True, samesite="lax")
    response.headers["Referrer-Policy"] = "no-referrer"
    return token_pair(grant, response)


def _is_https(issuer: str) -> bool:
    return issuer.startswith("https://")


def _cookie(issuer: str) -> str:
    """With the prefix no page of a neighbouring domain can set it (RFC 6265bis §4.1.3)."""
    return "__Host-kgents-oidc" if _is_https(issuer) else "kgents-oidc"
