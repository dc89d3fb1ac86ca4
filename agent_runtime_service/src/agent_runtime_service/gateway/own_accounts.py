"""Agents with a model credential of their own: the provider is asked with that key, at that address."""

import ipaddress
import re
import socket
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from pydantic import SecretStr
from yarl import URL

from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.openai import OpenAiLimits, OpenAiProvider
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
    base_url: str
    limits: OpenAiLimits


class OwnAccounts:
    """Providers by credential, each kept for a minute."""

    def __init__(self, vault: Vault, ways: Ways) -> None:
        self._kept: KeptSecrets[Provider] = KeptSecrets(vault, self._provider_of)
        self._ways = ways

    async def provider(self, use: CredentialUse, purpose: str) -> Provider:
        """The provider as the credential's owner has it. Raises `BadGateway`, `Unavailable`."""
        try:
            return await self._kept.get(use, purpose)
        except VaultAway:
            raise Unavailable(
                "The agent's model credential can't be had right now.", code="credential_unknown", retry_after_s=1
            ) from None
        except CredentialGone as error:
            raise BadGateway(str(error), code="credential_not_found") from None
        except CredentialFault as error:
            raise BadGateway(str(error), code="credential_refused") from None

    def forget(self, use: CredentialUse) -> None:
        """Have the credential fetched anew: its key was refused."""
        self._kept.forget(use)

    def _provider_of(self, resolved: ResolvedCredential) -> Provider:
        ref = resolved.credential_ref
        if resolved.type != "llm_provider":
            raise CredentialFault(f"{ref} is no credential of type llm_provider.")
        if resolved.provider not in {None, OpenAiProvider.name}:
            raise CredentialFault(f"{ref} is for the provider {resolved.provider}, not for {OpenAiProvider.name}.")
        key = resolved.secret if isinstance(resolved.secret, SecretStr) else resolved.secret.get("api_key")
        if key is None or _KEY.fullmatch(key.get_secret_value()) is None:
            raise CredentialFault(
                f"{ref} holds no key: it must be a text, or an object with the field api_key, without spaces."
            )
        ways, whose = self._ways, f"the credential {ref}"
        if resolved.base_url is None:
            return OpenAiProvider(ways.operators, ways.base_url, key.get_secret_value(), ways.limits, whose)
        try:
            _refuse_private_literal(resolved.base_url, ways.policy)
            return OpenAiProvider(ways.checked, resolved.base_url, key.get_secret_value(), ways.limits, whose)
        except ValueError:
            # Kept before the vault refused names that look international and aren't.
            raise CredentialFault(f"The base_url of {ref} is no address: register it with another.") from None


def _refuse_private_literal(base_url: str, policy: AddressPolicy) -> None:
    """aiohttp asks no resolver about an address that stands in a URL."""
    url = URL(base_url)
    try:
        literal = str(ipaddress.ip_address(url.host or ""))
    except ValueError:
        return
    try:
        policy.checked(literal, url.port or 443, [literal])
    except AddressNotPublic as error:
        raise CredentialFault(f"{error} {faults.HOW_TO_ALLOW}") from None
