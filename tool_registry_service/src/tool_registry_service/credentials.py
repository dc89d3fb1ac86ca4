"""The secrets of MCP servers: resolved from the vault at the last moment, kept for a minute at most."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr, ValidationError

from kgents_shared.contracts.credentials import ResolveCredentialRequest, ResolvedCredential
from kgents_shared.errors import ApiError
from kgents_shared.http.client import CallFailed, ServiceClient
from tool_registry_service.errors import CredentialRefused, NeverSent, NoSuchCredential
from tool_registry_service.mcp_client.targets import CredentialUse

KEPT_S = 60.0
_MOST_KEPT = 1000
_BEARER = re.compile(r"[\x21-\x7e]{1,8192}")


class Vault(Protocol):
    """What resolves references."""

    async def resolve(self, use: CredentialUse, purpose: str) -> ResolvedCredential:
        """The credential with its secret. Raises `CredentialRefused`, `NeverSent`."""
        ...


class HttpVault:
    """The vault of the auth service, asked with this service's own token."""

    def __init__(self, auth: ServiceClient) -> None:
        self._auth = auth

    async def resolve(self, use: CredentialUse, purpose: str) -> ResolvedCredential:
        """Ask the vault; each time is written down there."""
        body = ResolveCredentialRequest(credential_ref=use.credential_ref, owner_id=use.owner_id, purpose=purpose)
        try:
            answer = await self._auth.request_json(
                "POST", "/internal/credentials/resolve", json=body.model_dump(mode="json")
            )
            return ResolvedCredential.model_validate(answer)
        except CallFailed as error:
            if error.far_status == 404:
                raise NoSuchCredential(f"There is no credential {use.credential_ref}: register another.") from None
            if error.far_status == 403:
                raise CredentialRefused(f"{use.credential_ref} is no credential of type mcp.") from None
            raise NeverSent("The server's credential can't be had right now.") from None
        except (ApiError, ValidationError):
            # Not chained: what could not be read may hold the secret.
            raise NeverSent("The server's credential can't be had right now.") from None


@dataclass(frozen=True, slots=True)
class _Kept:
    bearer: SecretStr
    until: float


class Bearers:
    """Bearers by credential, each kept for a minute, so that a rotated or deleted secret is soon no longer used."""

    def __init__(self, vault: Vault, clock: Callable[[], float] = time.monotonic) -> None:
        self._vault = vault
        self._clock = clock
        self._kept: dict[CredentialUse, _Kept] = {}

    async def bearer(self, use: CredentialUse, purpose: str) -> SecretStr:
        """The bearer that `use` stands for. Raises `CredentialRefused`, `NeverSent`."""
        kept = self._kept.get(use)
        if kept is not None and kept.until > self._clock():
            return kept.bearer
        self._kept.pop(use, None)
        asked_at = self._clock()
        bearer = _bearer_of(await self._vault.resolve(use, purpose))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[use] = _Kept(bearer, asked_at + KEPT_S)
        return bearer

    def forget(self, use: CredentialUse) -> None:
        """Drop a bearer that a server refused."""
        self._kept.pop(use, None)


@dataclass(frozen=True, slots=True)
class BearerSource:
    """The bearer of one server: `get` gives it, `forget` has it fetched anew."""

    get: Callable[[], Awaitable[SecretStr]]
    forget: Callable[[], None]


def _bearer_of(resolved: ResolvedCredential) -> SecretStr:
    secret = resolved.secret
    bearer = secret if isinstance(secret, SecretStr) else secret.get("token")
    if resolved.type != "mcp" or bearer is None or _BEARER.fullmatch(bearer.get_secret_value()) is None:
        raise CredentialRefused(
            f"{resolved.credential_ref} can't be sent to an MCP server: it must be of type mcp, and a text, or an "
            "object with the field token, without spaces."
        )
    return bearer
