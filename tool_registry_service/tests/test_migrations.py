"""The models and the migrations say the same."""

import asyncio

from kgents_shared.db import migrations
from tool_registry_service.main import SERVICE


async def test_the_migrations_make_what_the_models_describe(database_url: str) -> None:
    await asyncio.to_thread(migrations.check, SERVICE, database_url)
    assert await asyncio.to_thread(migrations.is_current, SERVICE, database_url)
