"""POST /auth/token (RFC 6749, RFC 7523, RFC 8693)."""

from collections.abc import Mapping
from typing import cast

from fastapi import Request, Response

from auth_service.dependencies import Network, ReadyParts
from auth_service.machines.repository import ClientRecord
from auth_service.machines.service import TargetRefused
from auth_service.parts import Parts
from auth_service.storage import Work
from auth_service.tokens import exchange
from auth_service.tokens.client_authentication import as_client
from auth_service.tokens.oauth_errors import NO_STORE, OAUTH_REFUSALS, OAuthError
from auth_service.tokens.presented import shown_token
from auth_service.tokens.schemas import GRANTS, TOKEN_REQUEST, TokenAnswer
from auth_service.tokens.scopes import ScopeNotGranted
from auth_service.tokens.service import PEOPLES_CLIENT, RefreshRefused, TokenGrant
from auth_service.tokens.token_request import parse_form
from kgents_shared.auth import TokenVerifier
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/auth", tags=["auth"])
_NOT_HERE = "The audience is none that this client may have."


@router.post("/token", openapi_extra=TOKEN_REQUEST, response_model_exclude_none=True, responses=OAUTH_REFUSALS)
async def exchange_token(request: Request, parts: ReadyParts, response: Response, network: Network) -> TokenAnswer:
    """The token endpoint: grants `client_credentials`, `refresh_token` and token exchange."""
    form = parse_form(request.headers.get("content-type", ""), await request.body())
    grant_type = form.get("grant_type")
    if grant_type == "client_credentials":
        grant = await _for_client(request, parts, form, network)
    elif grant_type == "refresh_token":
        grant = await _for_refresh_token(parts, form, network)
    elif grant_type == exchange.GRANT:
        grant = await _for_subject_token(request, parts, form, network)
    elif grant_type is None:
        raise OAuthError("invalid_request", "grant_type is required.")
    else:
        raise OAuthError("unsupported_grant_type", f"The grants are {', '.join(GRANTS)}.")
    response.headers.update(NO_STORE)
    return TokenAnswer(
        access_token=grant.access_token,
        issued_token_type=exchange.ACCESS_TOKEN if grant.is_exchanged else None,
        expires_in=grant.expires_in,
        scope=" ".join(sorted(grant.scopes)),
        refresh_token=grant.refresh_token,
    )


async def _for_client(request: Request, parts: Parts, form: Mapping[str, str], network: str) -> TokenGrant:
    async def grant(work: Work, client: ClientRecord) -> TokenGrant:
        try:
            return await parts.machines.grant(work, client, audience=form.get("audience"), scope=form.get("scope"))
        except TargetRefused as refused:
            raise OAuthError("invalid_target", "audience must name a service that this client may call.") from refused
        except ScopeNotGranted as refused:
            raise OAuthError("invalid_scope", "The scope is more than this client has.") from refused

    return await as_client(request, parts, form, network, grant)


async def _for_subject_token(request: Request, parts: Parts, form: Mapping[str, str], network: str) -> TokenGrant:
    _check_types(form)
    verifier = cast("TokenVerifier", request.app.state.token_verifier)
    presented = await shown_token(verifier, parts.machines.targets, form["subject_token"])

    async def grant(work: Work, client: ClientRecord) -> TokenGrant:
        wanted = {"audience": form.get("audience"), "scope": form.get("scope")}
        try:
            return await parts.exchange.grant(work, client, presented, **wanted)
        except exchange.MayNotExchange as refused:
            raise OAuthError("unauthorized_client", "This client was not given leave to act for people.") from refused
        except exchange.SubjectRefused as refused:
            raise OAuthError("invalid_request", str(refused)) from refused
        except TargetRefused as refused:
            raise OAuthError("invalid_target", _NOT_HERE) from refused
        except ScopeNotGranted as refused:
            raise OAuthError("invalid_scope", "The scope is more than the subject and this client have.") from refused

    return await as_client(request, parts, form, network, grant)


def _check_types(form: Mapping[str, str]) -> None:
    """RFC 8693 §2.1: the actor is the client that asks, the tokens are access tokens, the target is an audience."""
    if "subject_token" not in form or form.get("subject_token_type") != exchange.ACCESS_TOKEN:
        raise OAuthError("invalid_request", f"subject_token is required, of the type {exchange.ACCESS_TOKEN}.")
    if form.get("requested_token_type", exchange.ACCESS_TOKEN) != exchange.ACCESS_TOKEN:
        raise OAuthError("invalid_request", f"requested_token_type can only be {exchange.ACCESS_TOKEN}.")
    if form.keys() & {"actor_token", "actor_token_type"}:
        raise OAuthError("invalid_request", "The actor is the client that asks: send no actor_token.")
    if "resource" in form:
        raise OAuthError("invalid_target", _NOT_HERE)


async def _for_refresh_token(parts: Parts, form: Mapping[str, str], network: str) -> TokenGrant:
    refresh_token = form.get("refresh_token")
    if refresh_token is None:
        raise OAuthError("invalid_request", "refresh_token is required.")
    client_id = form.get("client_id", PEOPLES_CLIENT)
    outcome = await parts.refreshing.refresh(refresh_token, client_id=client_id, scope=form.get("scope"))
    if outcome is RefreshRefused.SCOPE:
        raise OAuthError("invalid_scope", "The scope is more than the refresh token was given for.")
    if isinstance(outcome, RefreshRefused):
        await parts.limits.wrong("refresh", network)
        raise OAuthError("invalid_grant", "The refresh token is not valid.")
    return outcome
