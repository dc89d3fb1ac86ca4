"""Sending a person to an authorization server, and taking what they bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tool_registry_service import heavy_imports
from tool_registry_service.authorization.tokens import OAuthTokens, in_time
from tool_registry_service.errors import (
    AuthorizationFailed,
    AuthorizationNotPending,
    AuthorizationRefused,
    OAuthNotSet,
    ToolCallFault,
)
from tool_registry_service.mcp_servers.discovery import as_problem

if TYPE_CHECKING:
    from mcp.shared.auth import OAuthClientInformationFull

    from tool_registry_service.authorization.flow import Begun
    from tool_registry_service.authorization.kept import KeptAuthorization
    from tool_registry_service.authorization.setup import OAuthUse
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.settings import ToolsSettings


class AuthorizationService:
    """The two halves of the authorization of a server; between them lie a person, minutes, and maybe a restart."""

    def __init__(self, tokens: OAuthTokens, settings: ToolsSettings) -> None:
        self.tokens = tokens
        self._settings = settings

    async def check(self, target: ServerTarget) -> None:
        """See that the server's client is one; raises `CredentialNotFound` and what else keeps it from being used."""
        if target.oauth is not None and target.oauth.client is not None:
            try:
                await self.tokens.setup(target, target.oauth)
            except ToolCallFault as error:
                raise as_problem(error) from error

    async def begin(self, target: ServerTarget) -> tuple[Begun, str]:
        """Where to send the person; and the reference of what is kept until they are back.

        Raises:
            OAuthNotSet: the server isn't authorized by a person.
            AuthorizationFailed: it can't be found out where, or the authorization server can't be used.
        """
        oauth = _by_a_person(target)
        await heavy_imports.load()
        from tool_registry_service.authorization import flow  # noqa: PLC0415 -- stands on the SDK

        try:
            setup = await self.tokens.setup(target, oauth)
            before = await self._stored(target, oauth)
            async with heavy_imports.outgoing(self._settings) as http:
                begun = await in_time(flow.begin(setup, _client_for(before, setup.redirect_uri), http))
            kept = begun.kept
            async with self.tokens.alone(target.id):
                if before is not None and before.client.client_id == kept.client.client_id:
                    # What was authorized before holds until there is something better.
                    kept = kept.model_copy(update={"tokens": before.tokens, "expires_at": before.expires_at})
                return begun, await self.tokens.keep(target.id, oauth.owner_id, kept)
        except ToolCallFault as error:
            raise AuthorizationFailed(f"{target.name} can't be authorized: {error}") from error

    async def finish(self, target: ServerTarget, state: str, code: str, issuer: str | None) -> None:
        """Turn what the person brought back into tokens, which are kept.

        Raises:
            AuthorizationNotPending: it is not the answer to what was asked last.
            AuthorizationFailed: the authorization server gave no tokens.
        """
        oauth = _by_a_person(target)
        if oauth.kept is None:
            raise AuthorizationNotPending("Nobody was sent there for this server.")
        await heavy_imports.load()
        from tool_registry_service.authorization import flow  # noqa: PLC0415 -- stands on the SDK

        try:
            async with self.tokens.alone(target.id):
                kept = await self.tokens.stored(target, oauth.kept)
                if not kept.is_answered_by(state):
                    raise AuthorizationNotPending("A newer authorization was begun since; use that one's address.")
                if issuer is not None and issuer.rstrip("/") != str(kept.metadata.issuer).rstrip("/"):
                    raise AuthorizationRefused("The answer is from another authorization server.")
                setup = await self.tokens.setup(target, oauth)
                async with heavy_imports.outgoing(self._settings) as http:
                    kept = await in_time(flow.finish(setup, kept, code, http))
                await self.tokens.keep(target.id, oauth.owner_id, kept)
        except ToolCallFault as error:
            raise AuthorizationFailed(f"{target.name} is not authorized: {error}") from error
        self.tokens.drop(target.id)

    async def _stored(self, target: ServerTarget, oauth: OAuthUse) -> KeptAuthorization | None:
        if oauth.kept is None:
            return None
        try:
            return await self.tokens.stored(target, oauth.kept)
        except ToolCallFault:
            return None  # deleted by its owner, say: then we begin from nothing


def _by_a_person(target: ServerTarget) -> OAuthUse:
    if target.oauth is None or target.oauth.grant != "authorization_code":
        raise OAuthNotSet(f"{target.name} isn't authorized by a person: its oauth has no grant authorization_code.")
    return target.oauth


def _client_for(before: KeptAuthorization | None, redirect_uri: str) -> OAuthClientInformationFull | None:
    """The client that we registered before, if it may come back to where we are now."""
    if before is None or redirect_uri not in map(str, before.client.redirect_uris or ()):
        return None
    return before.client
