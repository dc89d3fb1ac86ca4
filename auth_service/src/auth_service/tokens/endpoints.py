"""POST /auth/token (RFC 6749)."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from auth_service.dependencies import Network, ReadyParts
from auth_service.machines.service import TargetRefused
from auth_service.parts import Parts
from auth_service.tokens.oauth_errors import NO_STORE, OAuthError
from auth_service.tokens.schemas import TOKEN_REQUEST, TokenAnswer
from auth_service.tokens.scopes import ScopeNotGranted
from auth_service.tokens.service import PEOPLES_CLIENT, RefreshRefused, TokenGrant
from auth_service.tokens.token_request import ClientCredentials, client_credentials, parse_form

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])


@router.post("/token", openapi_extra=TOKEN_REQUEST, response_model_exclude_none=True)
async def exchange_token(request: Request, parts: ReadyParts, response: Response, network: Network) -> TokenAnswer:
    """The token endpoint of RFC 6749: grants `client_credentials` and `refresh_token`."""
    form = parse_form(request.headers.get("content-type", ""), await request.body())
    grant_type = form.get("grant_type")
    if grant_type == "client_credentials":
        grant = await _for_client(parts, request.headers.get("authorization"), form, network)
    elif grant_type == "refresh_token":
        grant = await _for_refresh_token(parts, form, network)
    elif grant_type is None:
        raise OAuthError("invalid_request", "grant_type is required.")
    else:
        raise OAuthError("unsupported_grant_type", "The grants are client_credentials and refresh_token.")
    response.headers.update(NO_STORE)
    return TokenAnswer(
        access_token=grant.access_token,
        expires_in=grant.expires_in,
        scope=" ".join(sorted(grant.scopes)),
        refresh_token=grant.refresh_token,
    )


async def _for_client(parts: Parts, authorization: str | None, form: Mapping[str, str], network: str) -> TokenGrant:
    credentials = client_credentials(authorization, form)
    try:
        return await _granted(parts, credentials, form)
    except OAuthError as error:
        if error.code == "invalid_client":
            await parts.limits.wrong("client", network, credentials.client_id)
        raise


async def _granted(parts: Parts, credentials: ClientCredentials, form: Mapping[str, str]) -> TokenGrant:
    try:
        async with parts.storage.transaction() as work:
            client = await parts.machines.authenticate(work, credentials.client_id, credentials.client_secret)
            if client is None:
                raise OAuthError("invalid_client", "The client or its secret is wrong.")
            return await parts.machines.grant(work, client, audience=form.get("audience"), scope=form.get("scope"))
    except TargetRefused as refused:
        raise OAuthError("invalid_target", "audience must name a service that this client may call.") from refused
    except ScopeNotGranted as refused:
        raise OAuthError("invalid_scope", "The scope is more than this client has.") from refused


async def _for_refresh_token(parts: Parts, form: Mapping[str, str], network: str) -> TokenGrant:
    refresh_token = form.get("refresh_token")
    if refresh_token is None:
        raise OAuthError("invalid_request", "refresh_token is required.")
    async with parts.storage.transaction() as work:
        outcome = await parts.sessions.refresh(
            work, refresh_token, client_id=form.get("client_id", PEOPLES_CLIENT), scope=form.get("scope")
        )
    if outcome is RefreshRefused.SCOPE:
        raise OAuthError("invalid_scope", "The scope is more than the refresh token was given for.")
    if isinstance(outcome, RefreshRefused):
        await parts.limits.wrong("refresh", network)
        raise OAuthError("invalid_grant", "The refresh token is not valid.")
    return outcome
