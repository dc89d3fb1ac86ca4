"""Secrets by reference: the auth service's vault, asked with a service's own token, and what is kept of its answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import SecretStr, ValidationError

from kgents_shared.contracts.credentials import (
    ForgetCredentialRequest,
    KeepCredentialRequest,
    KeptCredential,
    ResolveCredentialRequest,
    ResolvedCredential,
)
from kgents_shared.errors import ApiError
from kgents_shared.http.client import CallFailed, ServiceClient

KEPT_S = 60.0
_MOST_KEPT = 1000
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """Whose credential, by reference; the secret is fetched at the last moment."""

    credential_ref: str
    owner_id: str


class CredentialFault(Exception):
    """A credential that can't be had. The text is a sentence for its owner, without the secret."""


class CredentialGone(CredentialFault):
    """The owner has no credential of that reference."""


class CredentialOfAnotherType(CredentialFault):
    """The credential is not of a type that this service may have."""


class VaultAway(CredentialFault):
    """The vault doesn't answer, or not as it should: another time it may."""


class Vault(Protocol):
    """What resolves references."""

    async def resolve(self, use: CredentialUse, purpose: str) -> ResolvedCredential:
        """The credential with its secret. Raises `CredentialFault`."""
        ...


class KeepingVault(Vault, Protocol):
    """A vault in which a service keeps what it gets for an owner."""

    async def keep(self, owner_id: str, name: str, secret: dict[str, SecretStr]) -> str:
        """Keep `secret` in place of what was under `name`; its reference. Raises `CredentialFault`."""
        ...

    async def forget(self, use: CredentialUse) -> None:
        """Delete what was kept, if it is there. Raises `CredentialFault`."""
        ...


class HttpVault:
    """The vault over HTTP; each use is written down there."""

    def __init__(self, auth: ServiceClient) -> None:
        self._auth = auth

    async def resolve(self, use: CredentialUse, purpose: str) -> ResolvedCredential:
        """`POST /internal/credentials/resolve`."""
        body = ResolveCredentialRequest(credential_ref=use.credential_ref, owner_id=use.owner_id, purpose=purpose)
        try:
            answer = await self._auth.request_json(
                "POST", "/internal/credentials/resolve", json=body.model_dump(mode="json")
            )
            return ResolvedCredential.model_validate(answer)
        except CallFailed as error:
            if error.far_status == 404:
                raise CredentialGone(f"There is no credential {use.credential_ref}: register another.") from None
            if error.far_status == 403:
                raise CredentialOfAnotherType(f"{use.credential_ref} is a credential of another type.") from None
            raise VaultAway("The credential can't be had right now.") from None
        except (ApiError, ValidationError):
            # Not chained: what could not be read may hold the secret.
            raise VaultAway("The credential can't be had right now.") from None

    async def keep(self, owner_id: str, name: str, secret: dict[str, SecretStr]) -> str:
        """`PUT /internal/credentials`."""
        body = KeepCredentialRequest(owner_id=owner_id, name=name, type="mcp_oauth", secret=secret)
        answer = await self._told("PUT", "/internal/credentials", body.model_dump(mode="json"))
        try:
            return KeptCredential.model_validate(answer).credential_ref
        except ValidationError:
            raise VaultAway("What was to be kept could not be kept.") from None

    async def forget(self, use: CredentialUse) -> None:
        """`POST /internal/credentials/forget`."""
        body = ForgetCredentialRequest(owner_id=use.owner_id, credential_ref=use.credential_ref)
        await self._told("POST", "/internal/credentials/forget", body.model_dump(mode="json"))

    async def _told(self, method: str, path: str, body: dict[str, Any]) -> object:
        try:
            return await self._auth.request_json(method, path, json=body)
        except ApiError:
            raise VaultAway("The vault can't be told right now.") from None


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    value: Value
    until: float


class KeptSecrets(Generic[Value]):
    """What was read out of credentials, each kept for a minute: a rotated or deleted secret is soon no longer used.

    `read` turns a resolved credential into what is needed of it, or raises a `CredentialFault`.
    """

    def __init__(
        self,
        vault: Vault,
        read: Callable[[ResolvedCredential], Value],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._read = read
        self._clock = clock
        self._kept: dict[CredentialUse, _Kept[Value]] = {}

    async def get(self, use: CredentialUse, purpose: str) -> Value:
        """What `use` stands for. Raises `CredentialFault`."""
        kept = self._kept.get(use)
        if kept is not None and kept.until > self._clock():
            return kept.value
        self._kept.pop(use, None)
        asked_at = self._clock()
        value = self._read(await self._vault.resolve(use, purpose))
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[use] = _Kept(value, asked_at + KEPT_S)
        return value

    def forget(self, use: CredentialUse) -> None:
        """Drop a secret that was refused where it was shown."""
        self._kept.pop(use, None)
