"""POST /auth/introspect (RFC 7662) and POST /auth/revoke (RFC 7009)."""

from typing import Any, cast

from fastapi import Request, Response

from auth_service.dependencies import Network, ReadyParts
from auth_service.machines.repository import ClientRecord
from auth_service.parts import Parts
from auth_service.storage import Work
from auth_service.tokens.client_authentication import as_client
from auth_service.tokens.inspection import NotThisClients
from auth_service.tokens.oauth_errors import NO_STORE, OAUTH_REFUSALS, OAuthError
from auth_service.tokens.presented import ShownToken, shown_token
from auth_service.tokens.schemas import TOKEN_ABOUT, Introspection
from auth_service.tokens.service import PEOPLES_CLIENT, REFRESH_PREFIX
from auth_service.tokens.token_request import parse_form
from kgents_shared.auth import TokenVerifier
from kgents_shared.auth.api_keys import PREFIX as API_KEY_PREFIX
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/auth", tags=["auth"])


@router.post("/introspect", openapi_extra=TOKEN_ABOUT, response_model_exclude_unset=True, responses=OAUTH_REFUSALS)
async def introspect_token(request: Request, parts: ReadyParts, response: Response, network: Network) -> Introspection:
    """What a token says and whether it is good, for the client that it was given to and for the platform's services."""
    form = parse_form(request.headers.get("content-type", ""), await request.body())
    token = _token(form)
    shown = await _shown(request, parts, token)

    async def look(work: Work, client: ClientRecord) -> dict[str, Any]:
        return await parts.inspection.introspect(work, client, token, shown)

    found = await as_client(request, parts, form, network, look)
    response.headers.update(NO_STORE)
    return Introspection.model_validate(found)


@router.post("/revoke", openapi_extra=TOKEN_ABOUT, response_class=Response, responses=OAUTH_REFUSALS)
async def revoke_token(request: Request, parts: ReadyParts, network: Network) -> Response:
    """End a token of the client's own. 200 also for what is no token, or is over."""
    form = parse_form(request.headers.get("content-type", ""), await request.body())
    token = _token(form)
    if token.startswith(API_KEY_PREFIX):
        raise OAuthError("unsupported_token_type", "API keys are deleted at /api/v1/users/me/api-keys.")
    shown = await _shown(request, parts, token)

    async def end(work: Work, client: ClientRecord) -> None:
        await parts.inspection.revoke(work, client.client_id, token, shown)

    try:
        if _is_public(request, form):
            async with parts.storage.transaction() as work:
                await parts.inspection.revoke(work, PEOPLES_CLIENT, token, shown)
        else:
            await as_client(request, parts, form, network, end)
    except NotThisClients as refused:
        raise OAuthError("unauthorized_client", "The token was given to another client.") from refused
    return Response(headers=NO_STORE)


def _token(form: dict[str, str]) -> str:
    token = form.get("token")
    if token is None:
        raise OAuthError("invalid_request", "token is required.")
    return token


def _is_public(request: Request, form: dict[str, str]) -> bool:
    """People's own client has no secret: who holds its token may end it."""
    shows = "authorization" in request.headers or form.keys() & {"client_secret", "client_assertion"}
    return not shows and form.get("client_id", PEOPLES_CLIENT) == PEOPLES_CLIENT


async def _shown(request: Request, parts: Parts, token: str) -> ShownToken | None:
    # Before the transaction: whose an API key is, is asked of another one.
    if token.startswith(REFRESH_PREFIX):
        return None
    return await shown_token(cast("TokenVerifier", request.app.state.token_verifier), parts.machines.targets, token)
