"""Agents with a model credential of their own: the provider is asked with that key, at that address."""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from pydantic import SecretStr
from yarl import URL

from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.accounts import KINDS, OperatorAccount
from agent_runtime_service.gateway.http_provider import HttpProvider, ProviderLimits
from agent_runtime_service.gateway.providers import Provider
from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.errors import BadGateway, Unavailable
from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy
from kgents_shared.http.vault import (
    CredentialFault,
    CredentialGone,
    CredentialUse,
    KeptSecrets,
    Vault,
    VaultAway,
)

_OPENAI_WIRE = {"openai", "openai-compatible", "localai"}
_KEY = re.compile(r"[\x21-\x7e]{1,8192}")


class CheckedResolver(AbstractResolver):
    """Resolves names to addresses that the policy lets through; a connection is made to what was checked."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The host's addresses. Raises `AddressNotPublic`."""
        found = await self._inner.resolve(host, port, family)
        self._policy.checked(host, port, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


@dataclass(frozen=True, slots=True)
class Ways:
    """How a provider is reached: at the operator's address, or at one that a credential names.

    The connector of `checked` resolves with a `CheckedResolver` of the same policy.
    """

    operators: aiohttp.ClientSession
    checked: aiohttp.ClientSession
    policy: AddressPolicy
    accounts: Mapping[str, OperatorAccount]
    limits: ProviderLimits


@dataclass(slots=True)
class _OwnAccount:
    """A credential's key and address, and the providers that were asked with it."""

    resolved: ResolvedCredential
    api_key: str
    providers: dict[str, Provider] = field(default_factory=dict[str, Provider])


class OwnAccounts:
    """Providers by credential, each kept for a minute."""

    def __init__(self, vault: Vault, ways: Ways) -> None:
        self._kept: KeptSecrets[_OwnAccount] = KeptSecrets(vault, _account_of)
        self._ways = ways

    async def provider(self, name: str, use: CredentialUse, purpose: str) -> Provider:
        """The provider of that name as the credential's owner has it. Raises `BadGateway`, `Unavailable`."""
        try:
            account = await self._kept.get(use, purpose)
            found = account.providers.get(name)
            if found is None:
                found = account.providers[name] = self._provider_of(name, account)
            return found
        except VaultAway:
            raise Unavailable(
                "The agent's model credential can't be had right now.", code="credential_unknown", retry_after_s=1
            ) from None
        except CredentialGone as error:
            raise BadGateway(str(error), code="credential_not_found") from None
        except CredentialFault as error:
            self._kept.forget(use)  # its owner may have corrected it by the next message
            raise BadGateway(str(error), code="credential_refused") from None

    def forget(self, use: CredentialUse) -> None:
        """Have the credential fetched anew: its key was refused."""
        self._kept.forget(use)

    def _provider_of(self, name: str, account: _OwnAccount) -> Provider:
        resolved, ways = account.resolved, self._ways
        ref, kind = resolved.credential_ref, KINDS.get(name)
        if kind is None:
            raise CredentialFault(f"The provider {name} takes no credential, so {ref} is of no use to it.")
        if not _is_for(resolved.provider, name):
            raise CredentialFault(f"{ref} is for the provider {resolved.provider}, not for {name}.")
        whose = f"the credential {ref}"
        if resolved.base_url is None:
            operators = ways.accounts.get(name)
            base_url = (operators.base_url if operators is not None else None) or kind.base_url
            if base_url is None:
                raise CredentialFault(f"{ref} names no base_url, and nothing else says where the provider {name} is.")
            return HttpProvider(ways.operators, kind.account(base_url, account.api_key, whose), ways.limits)
        try:
            refuse_private_literal(resolved.base_url, ways.policy)
            return HttpProvider(ways.checked, kind.account(resolved.base_url, account.api_key, whose), ways.limits)
        except ValueError:
            # Kept before the vault refused names that look international and aren't.
            raise CredentialFault(f"The base_url of {ref} is no address: register it with another.") from None


def _account_of(resolved: ResolvedCredential) -> _OwnAccount:
    ref = resolved.credential_ref
    if resolved.type != "llm_provider":
        raise CredentialFault(f"{ref} is no credential of type llm_provider.")
    key = resolved.secret if isinstance(resolved.secret, SecretStr) else resolved.secret.get("api_key")
    if key is None or _KEY.fullmatch(key.get_secret_value()) is None:
        raise CredentialFault(
            f"{ref} holds no key: it must be a text, or an object with the field api_key, without spaces."
        )
    return _OwnAccount(resolved, key.get_secret_value())


def _is_for(told: str | None, name: str) -> bool:
    """Whether a credential that says it is for `told` may be shown to `name`; the same wire has three names."""
    return told in {None, name} or {told, name} <= _OPENAI_WIRE


def refuse_private_literal(base_url: str, policy: AddressPolicy) -> None:
    """aiohttp asks no resolver about an address that stands in a URL. Raises `CredentialFault`."""
    url = URL(base_url)
    try:
        literal = str(ipaddress.ip_address(url.host or ""))
    except ValueError:
        return
    try:
        policy.checked(literal, url.port or 443, [literal])
    except AddressNotPublic as error:
        raise CredentialFault(f"{error} {faults.HOW_TO_ALLOW}") from None
