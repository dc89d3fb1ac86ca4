"""The model gateway with its ways out, put together."""

from contextlib import AsyncExitStack
from dataclasses import replace

import aiohttp
from aiohttp.abc import AbstractResolver

from agent_runtime_service.budgets.admission import ModelBudgets
from agent_runtime_service.gateway.accounts import model_defaults, operators_accounts, operators_providers
from agent_runtime_service.gateway.http_provider import ProviderLimits
from agent_runtime_service.gateway.kept_answers import KeptAnswers
from agent_runtime_service.gateway.ledger import ModelCallLedger
from agent_runtime_service.gateway.own_accounts import CheckedResolver, OwnAccounts, Ways
from agent_runtime_service.gateway.pace_rows import PaceRows
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.remote.agents import RemoteAgents, RemoteWays
from agent_runtime_service.remote.contexts import RemoteContexts
from agent_runtime_service.remote.repository import RemoteContextRepository
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.db import HotPool
from kgents_shared.http.addresses import AddressPolicy
from kgents_shared.http.vault import Vault


async def open_gateway(
    stack: AsyncExitStack,
    pool: HotPool,
    settings: RuntimeSettings,
    ledger: ModelCallLedger,
    vault: Vault,
    budgets: ModelBudgets,
    kept: KeptAnswers,
) -> ModelGateway:
    """The gateway; its connections close with `stack`."""
    policy = AddressPolicy(settings.ssrf_allowed_hosts)
    session = await stack.enter_async_context(_model_session(settings, None))
    checked = await stack.enter_async_context(_model_session(settings, CheckedResolver(policy)))
    limits = ProviderLimits(
        first_byte_s=settings.model_first_byte_s,
        retries=settings.model_retries,
        pace=replace(settings.pace_limits, rows=PaceRows(pool)),
    )
    accounts = operators_accounts(settings.of_provider)
    own = OwnAccounts(vault, Ways(session, checked, policy, accounts, limits))
    providers = operators_providers(accounts, session, limits)
    contexts = RemoteContexts(RemoteContextRepository(pool))
    remotes = RemoteAgents(vault, RemoteWays(checked, policy, limits, contexts))
    defaults = model_defaults(accounts, settings.default_model)
    return ModelGateway(providers, own, remotes, ledger, defaults, budgets, kept)


def _model_session(settings: RuntimeSettings, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, resolver=resolver),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.model_connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=256 * 1024,
    )
