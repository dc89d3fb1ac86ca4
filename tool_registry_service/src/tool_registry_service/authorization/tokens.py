"""The tokens of MCP servers that want OAuth: from the vault or by the owner's client, renewed before they run out.

They are for that one server (RFC 8707), and go nowhere else; nothing that was shown to this platform goes to a server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import structlog
from pydantic import SecretStr

from kgents_shared.http.addresses import AddressPolicy
from kgents_shared.http.vault import CredentialFault, CredentialGone, CredentialUse, KeepingVault, VaultAway
from tool_registry_service import heavy_imports
from tool_registry_service.errors import (
    AuthorizationFault,
    AuthorizationRefused,
    CredentialRefused,
    NeverSent,
    NoSuchCredential,
    WantsAuthorization,
)

if TYPE_CHECKING:
    from kgents_shared.contracts.credentials import ResolvedCredential
    from kgents_shared.db import HotPool
    from tool_registry_service.authorization.flow import FlowSetup, GivenClient
    from tool_registry_service.authorization.kept import KeptAuthorization
    from tool_registry_service.authorization.setup import OAuthUse
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.settings import ToolsSettings

_log = structlog.get_logger("kgents.tools.oauth")
CALLBACK = "/api/v1/mcp-servers/oauth/callback"
_FLOW_WITHIN_S = 30.0
_ASK_AGAIN_S = 3.0
_KEEP_PAUSES_S = (0.2, 1.0, 3.0)
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('kgents.tools.oauth'), hashtext(%s))"

T = TypeVar("T")


@dataclass(slots=True)
class _Held:
    """What this process has of one server's authorization. `is_unsaved`: the vault did not take the newest.

    `unauthorized` is what was found at `asked_at`, where there is nothing that could be used.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: KeptAuthorization | None = None
    refused: str | None = None
    is_unsaved: bool = False
    unauthorized: WantsAuthorization | None = None
    asked_at: float = 0.0

    def bearer(self) -> str | None:
        """An access token that may still be good."""
        found = None if self.kept is None else self.kept.bearer
        return None if found == self.refused else found


class OAuthTokens:
    """Tokens by server; one process at a time renews those of a server."""

    def __init__(self, vault: KeepingVault, pool: HotPool, settings: ToolsSettings) -> None:
        self._vault = vault
        self._pool = pool
        self._settings = settings
        self._policy = AddressPolicy(settings.ssrf_allowed_hosts)
        self._held: dict[UUID, _Held] = {}

    async def bearer(self, target: ServerTarget, oauth: OAuthUse) -> SecretStr:
        """A token for `target`.

        Raises:
            WantsAuthorization: a person has to authorize it first, or again.
            NeverSent: it can't be had right now.
        """
        held = self._held.setdefault(target.id, _Held())
        if (found := held.bearer()) is None:
            async with held.lock:
                if (found := held.bearer()) is None:
                    found = await self._found_out(target, oauth, held)
        return SecretStr(found)

    async def _found_out(self, target: ServerTarget, oauth: OAuthUse, held: _Held) -> str:
        if held.unauthorized is not None and time.monotonic() - held.asked_at < _ASK_AGAIN_S:
            # A model that tries again and again asks the vault now and then.
            raise WantsAuthorization(str(held.unauthorized))
        held.unauthorized = None
        try:
            return await self._renewed(target, oauth, held)
        except WantsAuthorization as error:
            if not isinstance(error, AuthorizationFault):
                held.unauthorized, held.asked_at = error, time.monotonic()
            raise

    def refused(self, server_id: UUID) -> None:
        """The server did not take the token that it was shown: the next one is another."""
        held = self._held.get(server_id)
        if held is not None and held.kept is not None:
            held.refused = held.kept.bearer

    def drop(self, server_id: UUID) -> None:
        """Forget what this process has: the server is gone, or its authorization is another."""
        self._held.pop(server_id, None)

    async def setup(self, target: ServerTarget, oauth: OAuthUse) -> FlowSetup:
        """What the flow at this server needs to know. Raises `NeverSent`."""
        await heavy_imports.load()
        from tool_registry_service.authorization import flow  # noqa: PLC0415 -- stands on the SDK

        given = None if oauth.client is None else await self._client(target, oauth.client, oauth.issuer or "")
        return flow.FlowSetup(
            server_url=target.url or "", redirect_uri=f"{self._settings.issuer.rstrip('/')}{CALLBACK}",
            may_be_plain=self._policy.is_listed, given=given, scope=oauth.scope,
        )  # fmt: skip

    async def stored(self, target: ServerTarget, use: CredentialUse) -> KeptAuthorization:
        """What the vault has. Raises `NeverSent`."""
        await heavy_imports.load()
        from tool_registry_service.authorization.kept import kept_in  # noqa: PLC0415 -- stands on the SDK

        try:
            return kept_in(await self._resolve(target, use))
        except CredentialFault as error:
            raise CredentialRefused(str(error)) from None

    async def keep(self, server_id: UUID, owner_id: str, kept: KeptAuthorization) -> str:
        """Put an authorization into the vault; its reference. Raises `NeverSent`."""
        for pause_s in (*_KEEP_PAUSES_S, None):
            try:
                return await self._vault.keep(owner_id, f"mcp-oauth-{server_id.hex}", kept.as_secret())
            except CredentialFault as error:
                if pause_s is None:
                    raise NeverSent(str(error)) from None
                await asyncio.sleep(pause_s)
        raise AssertionError  # the last turn returns or raises

    async def forget(self, server_id: UUID, use: CredentialUse | None) -> None:
        """Delete an authorization, here and in the vault; what the vault can't be told now lies there unused."""
        self.drop(server_id)
        if use is not None:
            try:
                await self._vault.forget(use)
            except CredentialFault as error:
                _log.warning("mcp_authorization_not_forgotten", credential_ref=use.credential_ref, error=str(error))

    @asynccontextmanager
    async def alone(self, server_id: UUID) -> AsyncGenerator[None]:
        """No other process changes this server's authorization meanwhile."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_ALONE, (str(server_id),))
            yield

    async def _renewed(self, target: ServerTarget, oauth: OAuthUse, held: _Held) -> str:
        if oauth.grant == "client_credentials":
            held.kept = await self._by_client(target, oauth)
        else:
            await self._from_vault(target, oauth, held)
        found = held.bearer()
        if found is None:
            raise _unauthorized(target)
        return found

    async def _by_client(self, target: ServerTarget, oauth: OAuthUse) -> KeptAuthorization:
        await heavy_imports.load()
        from tool_registry_service.authorization import flow  # noqa: PLC0415 -- stands on the SDK

        async with heavy_imports.outgoing(self._settings) as http:
            return await in_time(flow.by_client_credentials(await self.setup(target, oauth), http))

    async def _from_vault(self, target: ServerTarget, oauth: OAuthUse, held: _Held) -> None:
        if oauth.kept is None:
            raise _unauthorized(target)
        if not held.is_unsaved:
            held.kept = await self.stored(target, oauth.kept)
            if held.bearer() is not None:
                return
        async with self.alone(target.id):
            if not held.is_unsaved:
                # Another process may have renewed it while this one waited.
                held.kept = await self.stored(target, oauth.kept)
                if held.bearer() is not None:
                    return
            await self._refresh(target, oauth, held)

    async def _refresh(self, target: ServerTarget, oauth: OAuthUse, held: _Held) -> None:
        kept = held.kept
        if kept is None or kept.tokens is None:
            raise _unauthorized(target)
        await heavy_imports.load()
        from tool_registry_service.authorization import flow  # noqa: PLC0415 -- stands on the SDK

        try:
            async with heavy_imports.outgoing(self._settings) as http:
                held.kept = await in_time(flow.refresh(await self.setup(target, oauth), kept, http))
        except AuthorizationRefused as error:
            held.kept = None
            await self.keep(target.id, oauth.owner_id, kept.model_copy(update={"tokens": None}))
            raise _unauthorized(target, str(error)) from None
        held.is_unsaved = True
        try:
            await self.keep(target.id, oauth.owner_id, held.kept)
            held.is_unsaved = False
        except NeverSent:
            _log.error("mcp_tokens_not_kept", server=target.name, meaning="they are lost if this process ends")

    async def _client(self, target: ServerTarget, use: CredentialUse, issuer: str) -> GivenClient:
        await heavy_imports.load()
        from tool_registry_service.authorization import flow  # noqa: PLC0415 -- stands on the SDK

        resolved = await self._resolve(target, use)
        fields = resolved.secret
        if isinstance(fields, SecretStr) or "client_id" not in fields or resolved.type != "mcp":
            raise CredentialRefused(
                f"{use.credential_ref} is no client: it must be of type mcp, with the fields client_id and "
                "client_secret."
            )
        secret = fields.get("client_secret")
        return flow.GivenClient(
            issuer, fields["client_id"].get_secret_value(), None if secret is None else secret.get_secret_value()
        )

    async def _resolve(self, target: ServerTarget, use: CredentialUse) -> ResolvedCredential:
        try:
            return await self._vault.resolve(use, f"mcp server {target.name}")
        except CredentialGone as error:
            raise NoSuchCredential(str(error)) from None
        except VaultAway as error:
            raise NeverSent(str(error)) from None
        except CredentialFault as error:
            raise CredentialRefused(str(error)) from None


async def in_time(work: Awaitable[T]) -> T:
    """The result of a flow's step; raises `AuthorizationFault` where it takes too long."""
    try:
        async with asyncio.timeout(_FLOW_WITHIN_S):
            return await work
    except TimeoutError as error:
        raise AuthorizationFault("The authorization server did not answer in time.") from error


def _unauthorized(target: ServerTarget, why: str = "") -> WantsAuthorization:
    asked = f"{target.name} must be authorized by its owner: POST /api/v1/mcp-servers/{target.id}/authorize"
    return WantsAuthorization(f"{why} {asked}".strip() + ".")
