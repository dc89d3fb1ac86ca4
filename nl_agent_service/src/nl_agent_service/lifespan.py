"""What lives as long as the app: the database, the siblings' clients. It waits for none of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import cast

from fastapi import FastAPI

from kgents_shared.db import Database
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession
from nl_agent_service.clients import HttpAgents, HttpModel
from nl_agent_service.drafts.bounds import Places
from nl_agent_service.drafts.repository import DraftRepository
from nl_agent_service.drafts.service import DraftService, Patience
from nl_agent_service.settings import NlSettings

_SWEEP_EVERY_S = 60


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Put `drafts` and `draft_repository` on the app's state; what was left behind is swept beside the requests."""
    settings = cast("NlSettings", app.state.settings)
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        siblings = await stack.enter_async_context(
            ServiceSession(settings.auth_url, "nl", settings.client_secret.get_secret_value())
        )
        model = HttpModel(siblings.client(settings.runtime_url, "runtime"))
        agents = HttpAgents(
            siblings.client(settings.management_url, "management"), siblings.client(settings.tools_url, "tools")
        )
        repository = DraftRepository(database, timedelta(seconds=settings.timeout_s + _SWEEP_EVERY_S))
        app.state.draft_repository = repository
        patience = Patience(settings.timeout_s, settings.model_timeout_s, settings.most_tokens)
        places = Places(settings.most_drafts, settings.most_drafts_of_owner)
        app.state.drafts = DraftService(repository, model, agents, places, patience)
        app.state.health_probes["database"] = database.answers
        tasks = await stack.enter_async_context(BackgroundTasks())
        tasks.start("nl old drafts", lambda: _sweep(repository, timedelta(days=settings.keep_days)))
        yield


async def _sweep(drafts: DraftRepository, keep: timedelta) -> None:
    while True:
        await drafts.end_interrupted()
        await drafts.forget_old(keep)
        await asyncio.sleep(_SWEEP_EVERY_S)
