import asyncio
from typing import Any

import psycopg
import pytest

from agent_management_service.main import SERVICE
from kgents_shared.db import migrations


async def test_the_models_and_the_migrations_agree(database_url: str) -> None:
    await asyncio.to_thread(migrations.check, SERVICE, database_url)
    assert await asyncio.to_thread(migrations.is_current, SERVICE, database_url)


async def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, SERVICE, database_url)
    assert await asyncio.to_thread(migrations.is_current, SERVICE, database_url)


async def test_a_version_never_changes(database_url: str, make_agent: Any) -> None:
    made = await make_agent("carved", publish=True)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="never changes"):
            await connection.execute("UPDATE agents.versions SET spec = '{}' WHERE agent_id = %s", (made["id"],))
