"""What lives as long as the app: the database, the bus, the relay, auth's client. It waits for none of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import cast

from fastapi import FastAPI

from governance_service.approvals.service import ApprovalBounds, ApprovalService
from governance_service.metadata import SCHEMA
from governance_service.policies.service import PolicyService
from governance_service.settings import GovernanceSettings
from kgents_shared.db import Database
from kgents_shared.events import EventBus, OutboxRelay
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession
from kgents_shared.http.people import HttpPeople

_EXPIRE_EVERY_S = 2


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Put `database`, `approvals` and `policies` on the app's state; the relay and the end of old approvals run beside.

    Without NATS the service is healthy all the same: the outbox keeps what is to be told.
    """
    settings = cast("GovernanceSettings", app.state.settings)
    url = settings.database_url.get_secret_value()
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    async with AsyncExitStack() as stack:
        database = Database(url, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        bus = await stack.enter_async_context(EventBus(settings.nats_url, token, name="governance"))
        relay = OutboxRelay(url, SCHEMA, bus)
        siblings = await stack.enter_async_context(
            ServiceSession(settings.auth_url, "governance", settings.client_secret.get_secret_value())
        )
        bounds = ApprovalBounds(timedelta(days=settings.approval_days), settings.most_pending)
        people = HttpPeople(siblings.client(settings.auth_url, "auth"))
        approvals = ApprovalService(database, people, bounds, relay.wake)
        app.state.database = database
        app.state.event_bus = bus
        app.state.relay = relay
        app.state.approvals = approvals
        app.state.policies = PolicyService(database, relay.wake, app.state.ending)
        app.state.health_probes["database"] = database.answers
        tasks = await stack.enter_async_context(BackgroundTasks())
        tasks.start("governance outbox relay", relay.run)
        tasks.start("governance old approvals", lambda: _end_expired(approvals))
        yield


async def _end_expired(approvals: ApprovalService) -> None:
    while True:
        await approvals.end_expired()
        await asyncio.sleep(_EXPIRE_EVERY_S)
