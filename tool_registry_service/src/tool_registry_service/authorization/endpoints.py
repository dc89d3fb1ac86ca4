"""Authorizing a server: `/api/v1/mcp-servers/{id}/authorize`, and where people come back to."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from kgents_shared.errors import ApiError
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router
from tool_registry_service.authorization.models import PendingAuthorization
from tool_registry_service.authorization.schemas import AuthorizationEnd, AuthorizationStart
from tool_registry_service.authorization.state import state_hash
from tool_registry_service.dependencies import RegistryDep, ToolsWrite
from tool_registry_service.errors import AuthorizationFailed, AuthorizationNotPending, ServerNotFound
from tool_registry_service.mcp_servers.discovery import offer_from
from tool_registry_service.mcp_servers.schemas import Empty

router = Router(prefix="/api/v1/mcp-servers", tags=["tools"])
_GOOD_FOR = timedelta(minutes=10)
Answer = Annotated[str | None, Query(max_length=4096)]


@router.post("/{server_id}/authorize", responses=refusals(409, 502))
async def authorize_mcp_server(
    server_id: UUID, _: Empty, principal: ToolsWrite, registry: RegistryDep
) -> AuthorizationStart:
    """Begin to authorize a server that wants OAuth: open the address in a browser and agree there, within ten minutes.

    Whoever opens it gives the server the rights of their own account there, so don't pass it on.
    """
    async with registry.servers(principal.owner_ids) as servers:
        target = (await servers.get(server_id)).target
    begun, kept_at = await registry.authorizations.begin(target)
    expires_at = datetime.now(UTC) + _GOOD_FOR
    async with registry.servers(principal.owner_ids) as servers:
        await servers.authorization_begun(server_id, kept_at)
    async with registry.pending_authorizations() as pending:
        await pending.put(
            PendingAuthorization(
                state_hash=state_hash(begun.state), server_id=server_id, owner_id=target.owner_id,
                started_by=principal.subject, expires_at=expires_at,
            )
        )  # fmt: skip
    return AuthorizationStart(authorization_url=begun.authorization_url, expires_at=expires_at)


@router.get("/oauth/callback", responses=refusals(404, 502))
async def mcp_server_authorized(
    registry: RegistryDep,
    response: Response,
    state: Annotated[str, Query(max_length=200)],
    code: Answer = None,
    iss: Answer = None,
    error: Answer = None,
) -> AuthorizationEnd:
    """Where an authorization server sends people back to. The server's tools are pinned then."""
    response.headers["Cache-Control"] = "no-store"
    async with registry.pending_authorizations() as pending:
        waiting = await pending.take(state_hash(state))
    if waiting is None:
        raise AuthorizationNotPending("This authorization was used, or took too long: begin it again.")
    server_id, owner_id = waiting
    async with registry.servers([owner_id]) as servers:
        target = (await servers.get(server_id)).target
    if error is not None or code is None:
        raise AuthorizationFailed(f"{target.name} is not authorized: the authorization server said no.")
    await registry.authorizations.finish(target, state, code, iss)
    await registry.sessions.drop(server_id)
    async with registry.servers([owner_id]) as servers:
        await servers.authorized(server_id)
    try:
        offer = await offer_from(registry.sessions, target)
    except ApiError as fault:
        return AuthorizationEnd(server_id=server_id, name=target.name, tools=0, fault=fault.detail)
    try:
        async with registry.servers([owner_id]) as servers:
            await servers.compare(server_id, offer)
    except ServerNotFound as fault:
        raise AuthorizationNotPending("The server was deleted meanwhile.") from fault
    return AuthorizationEnd(server_id=server_id, name=target.name, tools=len(offer.tools))
