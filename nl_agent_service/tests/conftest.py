"""The service beside its siblings, one set for all tests."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import pytest

from kgents_shared.testing.tokens import TokenIssuer
from nl_agent_service.main import SERVICE
from tests.external.running_nl import MigratedDatabase, Nl, running_nl


@pytest.fixture(scope="session")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture(scope="session")
async def database_url(migrated_database: MigratedDatabase) -> str:
    return await migrated_database(SERVICE)


@pytest.fixture(scope="session")
async def platform(migrated_database: MigratedDatabase, nats_server: Any, issuer: TokenIssuer) -> AsyncGenerator[Nl]:
    async with running_nl(migrated_database, nats_server, issuer) as running:
        yield running


@pytest.fixture
def nl(platform: Nl) -> Nl:
    """The service as nobody used it yet: an owner of its own, no tools, a model that says what a test tells it."""
    platform.model.reset()
    platform.siblings.tools.clear()
    platform.siblings.no_flows = None
    platform.owner = f"owner-{uuid4().hex}"
    return platform
