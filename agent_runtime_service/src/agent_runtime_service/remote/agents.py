"""Agents elsewhere as providers: chosen by protocol, reached through the checked client alone."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aiohttp
from pydantic import SecretStr
from yarl import URL

from agent_runtime_service.gateway import own_accounts
from agent_runtime_service.gateway.choice import PlannedModel
from agent_runtime_service.gateway.faults import REMOTE
from agent_runtime_service.gateway.http_provider import Account, HttpProvider, ProviderLimits
from agent_runtime_service.gateway.providers import Provider
from agent_runtime_service.remote.a2a_agent import A2aAgent
from agent_runtime_service.remote.contexts import RemoteContexts
from agent_runtime_service.remote.http_agent import HttpAgent
from agent_runtime_service.remote.openai_agent import OpenAiAgent
from kgents_shared.contracts.agent_spec import RemoteSpec
from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.errors import BadGateway, Unavailable
from kgents_shared.http.addresses import AddressPolicy
from kgents_shared.http.vault import CredentialFault, CredentialGone, CredentialUse, KeptSecrets, Vault, VaultAway

_FIELDS: Final = ("api_key", "token", "access_token")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,8192}")
_TYPES: Final = frozenset({"llm_provider", "generic", "platform"})


@dataclass(frozen=True, slots=True)
class RemoteWays:
    """How agents elsewhere are reached: `session` connects to no address that the policy doesn't let through."""

    session: aiohttp.ClientSession
    policy: AddressPolicy
    limits: ProviderLimits
    contexts: RemoteContexts


@dataclass(frozen=True, slots=True)
class Shown:
    """A credential's bearer, and the only host that it may be shown to, where it names one."""

    bearer: str
    host: str | None


class RemoteAgents:
    """Providers for the runs of agents of the shell `Remote`."""

    def __init__(self, vault: Vault, ways: RemoteWays) -> None:
        self._kept: KeptSecrets[Shown] = KeptSecrets(vault, shown_of)
        self._ways = ways

    async def provider(self, model: PlannedModel, remote: RemoteSpec, conversation_id: UUID, purpose: str) -> Provider:
        """Who answers a run of this conversation. Raises `BadGateway`, `Unavailable`."""
        bearer = None if model.credential is None else await self._bearer(model.credential, remote, purpose)
        ways = self._ways
        try:
            own_accounts.refuse_private_literal(remote.url, ways.policy)
        except CredentialFault as error:
            raise BadGateway(str(error), code="provider_address_refused") from None
        if remote.protocol == "openai":
            account = Account(REMOTE, remote.url, bearer, credential="what it was shown")
            return OpenAiAgent(HttpProvider(ways.session, account, ways.limits))
        if remote.protocol == "http":
            return HttpAgent(ways.session, remote.url, bearer, conversation_id)
        return A2aAgent(ways.session, ways.policy, remote.url, bearer, ways.contexts.of(conversation_id))

    def forget(self, use: CredentialUse) -> None:
        """Have the credential fetched anew: it was refused."""
        self._kept.forget(use)

    async def _bearer(self, use: CredentialUse, remote: RemoteSpec, purpose: str) -> str:
        try:
            shown = await self._kept.get(use, purpose)
        except VaultAway:
            raise Unavailable(
                "The agent's credential can't be had right now.", code="credential_unknown", retry_after_s=1
            ) from None
        except CredentialGone as error:
            raise BadGateway(str(error), code="credential_not_found") from None
        except CredentialFault as error:
            self._kept.forget(use)
            raise BadGateway(str(error), code="credential_refused") from None
        if shown.host is not None and shown.host != URL(remote.url).host:
            raise BadGateway(
                f"The credential is for {shown.host}, and the remote agent is elsewhere.", code="credential_refused"
            )
        return shown.bearer


def shown_of(resolved: ResolvedCredential) -> Shown:
    """What another server is shown of a credential. Raises `CredentialFault` for one that none may be shown."""
    ref, secret = resolved.credential_ref, resolved.secret
    if resolved.type not in _TYPES:
        raise CredentialFault(f"{ref} is of the type {resolved.type}, which is shown to no remote agent.")
    found = (
        secret if isinstance(secret, SecretStr) else next((secret[name] for name in _FIELDS if name in secret), None)
    )
    if found is None or _KEY.fullmatch(found.get_secret_value()) is None:
        raise CredentialFault(
            f"{ref} holds no key: it must be a text without spaces, or an object with the field api_key or token."
        )
    return Shown(found.get_secret_value(), URL(resolved.base_url).host if resolved.base_url else None)
