"""What lives as long as the app. It waits for nothing: database, bus and siblings are met by background tasks."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import psycopg
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from agent_runtime_service.a2a_protocol.door import A2aDoor
from agent_runtime_service.a2a_protocol.parts import TaskParts
from agent_runtime_service.a2a_protocol.pushing import Pushes, open_pushes
from agent_runtime_service.a2a_protocol.repository import PublicCardRepository
from agent_runtime_service.a2a_protocol.stored import TaskRepository
from agent_runtime_service.budgets.parts import MoneyParts
from agent_runtime_service.catalogue.credentials import HttpCredentials
from agent_runtime_service.catalogue.ollama import LocalModelService
from agent_runtime_service.catalogue.service import Catalogue
from agent_runtime_service.clients import HttpAgentCatalog
from agent_runtime_service.completions.service import CompletionService
from agent_runtime_service.context.repository import ContextRepository
from agent_runtime_service.context.service import ContextService
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.debugging import Debugging
from agent_runtime_service.driving import Driving
from agent_runtime_service.gateway.assembly import open_gateway
from agent_runtime_service.gateway.kept_answers import KeptAnswers
from agent_runtime_service.gateway.ledger import ModelCallLedger
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.many_agents import ManyAgents
from agent_runtime_service.memories.assembly import MemoryParts
from agent_runtime_service.messages.places import Places
from agent_runtime_service.messages.service import MessageService
from agent_runtime_service.metadata import SCHEMA
from agent_runtime_service.openai_api.models import ModelDirectory
from agent_runtime_service.openai_api.repository import ResponseRepository
from agent_runtime_service.openai_api.service import ResponseService
from agent_runtime_service.passing.repository import PassingRepository
from agent_runtime_service.passing.service import PassingResponses
from agent_runtime_service.settings import RuntimeSettings
from agent_runtime_service.traces.prompts import PromptMemory
from kgents_shared.db import HotPool, open_pool
from kgents_shared.events import EventBus, OutboxRelay
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceClient, ServiceSession
from kgents_shared.http.people import HttpPeople
from kgents_shared.http.vault import HttpVault


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Put the services on the app's state and run what runs beside the requests."""
    settings = cast("RuntimeSettings", app.state.settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            open_pool(settings.database_url.get_secret_value(), max_size=settings.hot_pool_size)
        )
        siblings = await stack.enter_async_context(
            ServiceSession(settings.auth_url, "runtime", settings.client_secret.get_secret_value())
        )
        catalog = HttpAgentCatalog(siblings.client(settings.management_url, "management"))
        money = app.state.money = MoneyParts(pool, catalog, settings)
        ledger = ModelCallLedger(pool, money.purses, PromptMemory() if settings.trace_prompts else None)
        auth = siblings.client(settings.auth_url, "auth")
        vault = HttpVault(auth)
        gateway = await open_gateway(stack, pool, settings, ledger, vault, money.model_budgets, KeptAnswers(pool))
        debug = Debugging(app, pool, siblings, settings)
        driving = Driving(app, pool, siblings, settings, catalog, gateway, debug)
        stack.push_async_callback(driving.directory.close)
        memory = MemoryParts(pool, gateway, driving.directory, settings)
        stack.push_async_callback(memory.close)
        app.state.memories, app.state.vector_copying = memory.service, memory.copying
        places = Places(settings.max_active_runs_of_owner, budgets=money.model_budgets)
        app.state.messages = driving.messages(places)
        debug.repeat_runs(app, driving.replay_parts(gateway, places))
        app.state.completions = CompletionService(gateway, ledger, places)
        _show_models(app, gateway, money, siblings)
        _serve_conversations(app, pool, driving)
        pushes, passing = await _open_protocols(stack, app, pool, driving, auth)
        many = ManyAgents(app, pool, driving.directory, driving.finder)
        app.state.health_probes["database"] = lambda: _answers(pool)
        async with BackgroundTasks() as tasks:
            bus = app.state.event_bus = await _open_bus(tasks, stack, settings)
            stack.push_async_callback(ledger.close)
            tasks.start("runtime model calls", ledger.run)
            driving.start(tasks, bus)
            money.start(tasks)
            memory.start(tasks)
            debug.start(tasks, stack)
            many.start(tasks, stack, bus)
            tasks.start("runtime push notifications", pushes.keep_telling)
            tasks.start("runtime responses not stored", passing.keep_forgetting)
            yield
            await driving.stop()
        await driving.let_go()


def _show_models(app: FastAPI, gateway: ModelGateway, money: MoneyParts, siblings: ServiceSession) -> None:
    auth = siblings.client(cast("RuntimeSettings", app.state.settings).auth_url, "auth")
    app.state.catalogue = Catalogue(gateway, HttpCredentials(auth), money.price_book)
    app.state.local_models = LocalModelService(gateway, money.usage)


def _serve_conversations(app: FastAPI, pool: HotPool, driving: Driving) -> None:
    app.state.conversations = ConversationRepository(pool)
    app.state.context = ContextService(ContextRepository(pool), app.state.conversations, driving.directory)


async def _open_protocols(
    stack: AsyncExitStack, app: FastAPI, pool: HotPool, driving: Driving, auth: ServiceClient
) -> tuple[Pushes, PassingResponses]:
    settings = cast("RuntimeSettings", app.state.settings)
    app.state.directory, app.state.model_directory = driving.directory, ModelDirectory(driving.directory)
    app.state.public_cards = PublicCardRepository(pool)
    messages, stored = cast("MessageService", app.state.messages), TaskRepository(pool)
    pushes = await open_pushes(stack, pool, stored, settings.ssrf_allowed_hosts, HttpVault(auth), HttpPeople(auth))
    tasks = TaskParts(messages, stored, driving.runs, driving.cancelling.cancel, pushes, app.state.ending)
    passing = PassingResponses(PassingRepository(pool), driving.cancelling.cancel)
    app.state.responses = ResponseService(
        messages, driving.stored, ResponseRepository(pool), app.state.context, passing
    )
    app.state.a2a_door = A2aDoor(tasks, settings.issuer)
    return pushes, passing


async def _open_bus(tasks: BackgroundTasks, stack: AsyncExitStack, settings: RuntimeSettings) -> EventBus:
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    bus = await stack.enter_async_context(EventBus(settings.nats_url, token, name="runtime"))
    relay = OutboxRelay(settings.database_url.get_secret_value(), SCHEMA, bus)
    tasks.start("runtime outbox relay", relay.run)
    return bus


async def _answers(pool: HotPool) -> bool:
    try:
        async with pool.connection(timeout=2) as connection:
            await connection.execute("SELECT 1")
    except (psycopg.Error, PoolTimeout, OSError):
        return False
    return True
