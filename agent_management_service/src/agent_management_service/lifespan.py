"""What lives as long as the app: the database, the bus, the relay. It waits for none of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from fastapi import FastAPI

from agent_management_service.clients import (
    HttpAttestationSigner,
    HttpDeploymentObserver,
    HttpModelAccounts,
    HttpShellObserver,
    HttpToolCatalog,
)
from agent_management_service.idempotency.repository import IdempotencyRepository
from agent_management_service.metadata import SCHEMA
from agent_management_service.settings import ManagementSettings
from agent_management_service.validation.service import ValidationService
from kgents_shared.db import Database
from kgents_shared.events import EventBus, OutboxRelay
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession

_FORGET_EVERY_S = 3600


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Put `database`, `relay` and `validation` on the app's state; the relay runs beside the requests.

    Without NATS the service is healthy all the same: the outbox keeps what is to be told.
    """
    settings = cast("ManagementSettings", app.state.settings)
    url = settings.database_url.get_secret_value()
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    async with AsyncExitStack() as stack:
        database = Database(url, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        bus = await stack.enter_async_context(EventBus(settings.nats_url, token, name="management"))
        relay = OutboxRelay(url, SCHEMA, bus)
        siblings = await stack.enter_async_context(
            ServiceSession(settings.auth_url, "management", settings.client_secret.get_secret_value())
        )
        catalog = HttpToolCatalog(siblings.client(settings.tools_url, "tools"))
        tasks = await stack.enter_async_context(BackgroundTasks())
        app.state.database = database
        app.state.event_bus = bus
        deployment = siblings.client(settings.deployment_url, "deployment")
        app.state.deployment_observer = HttpDeploymentObserver(deployment)
        app.state.shell_observer = HttpShellObserver(deployment)
        auth = siblings.client(settings.auth_url, "auth")
        app.state.attestation_signer = HttpAttestationSigner(auth)
        app.state.relay = relay
        accounts = HttpModelAccounts(auth, siblings.client(settings.runtime_url, "runtime"))
        app.state.validation = ValidationService(settings.system_limits, catalog, accounts, database)
        app.state.health_probes["database"] = database.answers
        tasks.start("management outbox relay", relay.run)
        tasks.start("management old idempotency keys", lambda: _forget_old_keys(database))
        yield


async def _forget_old_keys(database: Database) -> None:
    while True:
        async with database.transaction() as session:
            await IdempotencyRepository(session).forget_old()
        await asyncio.sleep(_FORGET_EVERY_S)
