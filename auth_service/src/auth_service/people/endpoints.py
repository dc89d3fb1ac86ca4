"""POST /auth/register, /auth/login, /auth/refresh."""

from fastapi import Response

from auth_service.dependencies import Network, ReadyParts
from auth_service.people.schemas import Accepted, Login, Refresh, Registration, TokenPair
from auth_service.tokens.scopes import ScopeNotGranted
from auth_service.tokens.service import RefreshRefused, TokenGrant
from kgents_shared.errors import FaultItem, InvalidInput, Unauthenticated
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/auth", tags=["auth"])


@router.post("/register", status_code=202, responses=refusals(403, 429))
async def register_person(body: Registration, parts: ReadyParts, network: Network) -> Accepted:
    """Register. The answer is the same whether or not the address is known."""
    await parts.limits.visit("register", network)
    # The hash is made before a transaction is opened: no connection waits for it.
    identity, is_new = await parts.people.take(body.email, body.password.get_secret_value(), body.name)
    async with parts.storage.transaction() as work:
        await parts.people.record(work, identity, is_new=is_new)
    parts.post_office.wake()
    return Accepted()


@router.post("/login", responses=refusals(401, 403, 429))
async def log_in(body: Login, parts: ReadyParts, response: Response, network: Network) -> TokenPair:
    """Exchange an address and a password for an access token and a refresh token."""
    async with parts.limits.guessing("login", network, account=body.email):
        identity = await parts.people.authenticate(body.email, body.password.get_secret_value())
    try:
        async with parts.storage.transaction() as work:
            grant = await parts.people.log_in(work, identity, scope=body.scope)
    except ScopeNotGranted as refused:
        raise _scope_fault(refused) from refused
    return token_pair(grant, response)


@router.post("/refresh", responses=refusals(401, 429))
async def refresh_session(body: Refresh, parts: ReadyParts, response: Response, network: Network) -> TokenPair:
    """Exchange a refresh token for the next pair. Each works once; a second use ends the whole session."""
    outcome = await parts.refreshing.refresh(body.refresh_token.get_secret_value())
    if isinstance(outcome, RefreshRefused):
        await parts.limits.wrong("refresh", network)
        raise Unauthenticated("The refresh token is not valid; log in again.", code="invalid_refresh_token")
    return token_pair(outcome, response)


def _scope_fault(refused: ScopeNotGranted) -> InvalidInput:
    named = " ".join(sorted(refused.excess)) or "an empty scope"
    fault = FaultItem(("body", "scope"), f"{named} is not yours to ask for", "invalid_scope")
    return InvalidInput("The request has faults; each is listed in errors.", errors=[fault])


def token_pair(grant: TokenGrant, response: Response) -> TokenPair:
    """A login's answer, which nobody keeps."""
    response.headers["Cache-Control"] = "no-store"
    if grant.refresh_token is None:
        raise RuntimeError("a person's grant has a refresh token")
    return TokenPair(access_token=grant.access_token, refresh_token=grant.refresh_token, expires_in=grant.expires_in)
