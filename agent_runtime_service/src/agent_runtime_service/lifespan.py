"""What lives as long as the app. It waits for nothing: database, bus and siblings are met by background tasks."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast
from uuid import uuid4

import aiohttp
import psycopg
from aiohttp.abc import AbstractResolver
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from agent_runtime_service.asking.service import AskingService
from agent_runtime_service.clients import HttpAgentCatalog, HttpApprovals, HttpToolRegistry, HttpVersionRunner
from agent_runtime_service.completions.service import CompletionService
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.door.service import DoorService
from agent_runtime_service.door.tools import ToolCaller
from agent_runtime_service.execution.active import ActiveRuns
from agent_runtime_service.execution.driver import RunDriver
from agent_runtime_service.execution.news import News
from agent_runtime_service.execution.plan import Planner
from agent_runtime_service.execution.recovery import Recovery
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.execution.waiting import WaitingRuns
from agent_runtime_service.gateway.choice import ModelDefaults, default_provider
from agent_runtime_service.gateway.echo import EchoProvider
from agent_runtime_service.gateway.ledger import ModelCallLedger
from agent_runtime_service.gateway.openai import DEFAULT_BASE_URL, OpenAiLimits, OpenAiProvider
from agent_runtime_service.gateway.own_accounts import CheckedResolver, OwnAccounts, Ways
from agent_runtime_service.gateway.providers import Provider
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.instances.repository import InstanceRepository
from agent_runtime_service.instances.service import InstanceService
from agent_runtime_service.instances.versions_in_use import VersionsInUse
from agent_runtime_service.memories.repository import MemoryRepository
from agent_runtime_service.messages.finder import AgentFinder
from agent_runtime_service.messages.places import Places
from agent_runtime_service.messages.service import MessageService
from agent_runtime_service.metadata import SCHEMA
from agent_runtime_service.runs.repository import RunRepository
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.db import HotPool, open_pool
from kgents_shared.events import EventBus, OutboxRelay
from kgents_shared.http.addresses import AddressPolicy
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession
from kgents_shared.http.vault import HttpVault, Vault


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Put the services on the app's state and run what runs beside the requests."""
    settings = cast("RuntimeSettings", app.state.settings)
    url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, max_size=settings.hot_pool_size))
        ledger = ModelCallLedger(pool)
        siblings = await stack.enter_async_context(
            ServiceSession(settings.auth_url, "runtime", settings.client_secret.get_secret_value())
        )
        vault = HttpVault(siblings.client(settings.auth_url, "auth"))
        gateway = await _gateway(stack, settings, ledger, vault)
        # Each run waits for its own calls of tools, and some of those for other runs.
        registry = HttpToolRegistry(
            siblings.client(settings.tools_url, "tools", own_connections=settings.max_active_runs)
        )
        catalog = HttpAgentCatalog(siblings.client(settings.management_url, "management"))
        directory = InstanceDirectory()
        stack.push_async_callback(directory.close)
        planner = Planner(gateway, registry)
        journal = RunJournal(pool, uuid4(), settings.lease_s, settings.database_patience_s)
        runs = ActiveRuns()
        driver = RunDriver(journal, runs, directory, planner, settings.instance_wait_s)
        runner = HttpVersionRunner(siblings.client(settings.deployment_url, "deployment"))
        versions = VersionsInUse(runner, runs, settings.version_renew_s)
        finder = AgentFinder(directory, catalog, versions, settings.starting_wait_s)
        stored = RunRepository(pool)
        instances = InstanceService(InstanceRepository(pool), directory, planner)
        app.state.finder = finder
        app.state.instances = instances
        app.state.run_repository = stored
        app.state.conversations = ConversationRepository(pool)
        app.state.memories = MemoryRepository(pool, settings.max_memories_of_agent)
        places = Places(settings.max_active_runs_of_owner)
        messages = MessageService(finder, journal, driver, runs, stored, settings.max_active_runs, places)
        app.state.messages = messages
        app.state.asking = AskingService(messages, finder, stored)
        app.state.completions = CompletionService(gateway, ledger, places)
        app.state.door = DoorService(directory, runs, journal, gateway, ToolCaller(journal, registry))
        app.state.health_probes["database"] = lambda: _answers(pool)
        recovery = Recovery(journal, runs, driver)
        approvals = HttpApprovals(siblings.client(settings.governance_url, "governance"))
        waiting = WaitingRuns(journal, driver, approvals, versions)
        async with BackgroundTasks() as tasks:
            bus = await _start_background(tasks, stack, settings, recovery, ledger)
            app.state.event_bus = bus
            news = News(bus, waiting, planner)
            tasks.start("runtime waiting runs", lambda: waiting.keep_asking(settings.approvals_every_s))
            tasks.start("runtime decisions", news.hear_decisions)
            tasks.start("runtime changed tools", news.hear_changed_tools)
            tasks.start("runtime instances", instances.keep_current)
            tasks.start("runtime versions in use", versions.keep)
            yield
            await driver.stop(settings.shutdown_patience_s)
        await recovery.let_go()
        await ledger.close()


async def _start_background(
    tasks: BackgroundTasks,
    stack: AsyncExitStack,
    settings: RuntimeSettings,
    recovery: Recovery,
    ledger: ModelCallLedger,
) -> EventBus:
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    bus = await stack.enter_async_context(EventBus(settings.nats_url, token, name="runtime"))
    relay = OutboxRelay(settings.database_url.get_secret_value(), SCHEMA, bus)
    tasks.start("runtime outbox relay", relay.run)
    tasks.start("runtime model calls", ledger.run)
    tasks.start("runtime leases", lambda: recovery.keep_leases(settings.lease_s / 3))
    tasks.start("runtime recovery", lambda: recovery.adopt_orphans(settings.recovery_every_s))
    return bus


async def _gateway(
    stack: AsyncExitStack, settings: RuntimeSettings, ledger: ModelCallLedger, vault: Vault
) -> ModelGateway:
    policy = AddressPolicy(settings.ssrf_allowed_hosts)
    session = await stack.enter_async_context(_model_session(settings, None))
    checked = await stack.enter_async_context(_model_session(settings, CheckedResolver(policy)))
    base_url = settings.openai_base_url or DEFAULT_BASE_URL
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    limits = OpenAiLimits(first_byte_s=settings.model_first_byte_s, retries=settings.model_retries)
    openai = OpenAiProvider(session, base_url, key, limits)
    own = OwnAccounts(vault, Ways(session, checked, policy, base_url, limits))
    providers: dict[str, Provider] = {"openai": openai, "echo": EchoProvider()}
    defaults = ModelDefaults(default_provider(key, settings.openai_base_url), settings.default_model)
    return ModelGateway(providers, own, ledger, defaults)


def _model_session(settings: RuntimeSettings, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, resolver=resolver),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.model_connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=256 * 1024,
    )


async def _answers(pool: HotPool) -> bool:
    try:
        async with pool.connection(timeout=2) as connection:
            await connection.execute("SELECT 1")
    except (psycopg.Error, PoolTimeout, OSError):
        return False
    return True
