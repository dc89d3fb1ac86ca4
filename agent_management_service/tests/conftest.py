"""The service over real HTTP semantics, a real PostgreSQL and a real NATS."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from agent_management_service.main import SERVICE, create_app
from agent_management_service.settings import ManagementSettings
from kgents_shared.errors import Unavailable
from kgents_shared.testing.tokens import TokenIssuer

Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture(scope="session")
async def database_url(migrated_database: Callable[[Any], Awaitable[str]]) -> str:
    return await migrated_database(SERVICE)


@pytest.fixture(scope="session")
async def settings(database_url: str, nats_server: Any) -> ManagementSettings:
    return ManagementSettings.model_validate(
        {
            "database_url": database_url,
            "nats_url": nats_server.url,
            "nats_token": nats_server.token,
            "client_secret": "unused-here",
        }
    )


@pytest.fixture(scope="session")
async def app(settings: ManagementSettings, issuer: TokenIssuer) -> AsyncGenerator[FastAPI]:
    app = create_app(settings, identity=issuer.identity)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def client_with(app: FastAPI) -> AsyncGenerator[Clients]:
    """A client of the service that sends the given headers; an error inside becomes an answer, as in production."""
    async with AsyncExitStack() as stack:

        async def make(headers: dict[str, str]) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://management", headers=headers)
            return await stack.enter_async_context(client)

        yield make


@pytest.fixture
async def caller(client_with: Clients, issuer: TokenIssuer) -> httpx.AsyncClient:
    """An owner of their own for each test, so that no test sees another's agents."""
    return await client_with(issuer.person(f"owner-{uuid4().hex}"))


@pytest.fixture
async def stranger(client_with: Clients, issuer: TokenIssuer) -> httpx.AsyncClient:
    return await client_with(issuer.person(f"stranger-{uuid4().hex}"))


@pytest.fixture(scope="session")
async def deployment(client_with: Clients, issuer: TokenIssuer) -> httpx.AsyncClient:
    """The deployment service, as it calls this one."""
    return await client_with(issuer.service("deployment", "management"))


@pytest.fixture
def make_agent(caller: httpx.AsyncClient) -> Callable[..., Awaitable[dict[str, Any]]]:
    """`await make_agent("name", publish=True, description="…")` → the agent that `caller` made."""

    async def make(name: str, *, publish: bool = False, **fields: Any) -> dict[str, Any]:
        answer = await caller.post(
            "/api/v1/agents",
            params={"publish": str(publish).lower()},
            json={"name": name, "system_prompt": "You help.", **fields},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


@dataclass
class PlatformsShells:
    """The deployment service, as publishing a flow needs it."""

    why: str | None = "what flows run on is not installed"
    away: bool = False

    async def why_not(self, shell: str) -> str | None:
        if self.away:
            raise Unavailable("The deployment service is away.")
        assert shell == "Langflow"
        return self.why


@pytest.fixture
def shells(app: FastAPI) -> Generator[PlatformsShells]:
    before, app.state.shell_observer = app.state.shell_observer, PlatformsShells()
    yield app.state.shell_observer
    app.state.shell_observer = before
