"""A registry beside the real governance service, on databases of their own."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from governance_service.main import SERVICE
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.running_governance import Governance, running_governance
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.running_runtime import serving


@pytest.fixture(scope="session")
async def governance(migrated_database: Callable[[Any], Awaitable[str]]) -> AsyncGenerator[Governance]:
    async with running_governance(await migrated_database(SERVICE), TokenIssuer()) as running:
        yield running


@pytest.fixture(scope="session")
async def governance_url(governance: Governance) -> AsyncGenerator[str]:
    """Where it answers over HTTP, as the registry asks it."""
    async with serving(governance.app, host="127.0.0.1", port=0, lifespan="off") as server:
        listening: tuple[str, int] = server.servers[0].sockets[0].getsockname()
        yield f"http://127.0.0.1:{listening[1]}"


@pytest.fixture
def siblings(governance: Governance, governance_url: str) -> dict[str, Any]:
    """The settings of a registry that asks them."""
    return {"auth_url": governance.auth_url, "governance_url": governance_url, "call_timeout_s": 0.5}


@pytest.fixture
async def asking(database_url: str, siblings: dict[str, Any]) -> AsyncGenerator[RunningRegistry]:
    """The registry."""
    async with running_registry(database_url, **siblings) as running:
        yield running
