import asyncio

from governance_service.main import SERVICE
from kgents_shared.db import migrations


async def test_the_models_and_the_migrations_agree(database_url: str) -> None:
    await asyncio.to_thread(migrations.check, SERVICE, database_url)
    assert await asyncio.to_thread(migrations.is_current, SERVICE, database_url)
