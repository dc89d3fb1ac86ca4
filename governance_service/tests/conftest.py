"""The service over a real PostgreSQL, one for all tests: each takes people of its own."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from governance_service.main import SERVICE
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.running_governance import Governance, running_governance


@pytest.fixture(scope="session")
async def database_url(migrated_database: Callable[[Any], Awaitable[str]]) -> str:
    return await migrated_database(SERVICE)


@pytest.fixture(scope="session")
async def governance(database_url: str) -> AsyncGenerator[Governance]:
    async with running_governance(database_url, TokenIssuer()) as running:
        yield running
