"""One running auth service for its tests: the app with its lifespan, a client, and its database from behind."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from auth_service.main import create_app
from auth_service.parts import Parts
from auth_service.settings import AuthSettings
from kgents_shared.db import Database
from kgents_shared.testing.polling import eventually

ISSUER = "http://localhost:8080"
PASSWORD = "four words nobody joins"
ADMIN_EMAIL = "admin@localhost"
ADMIN_PASSWORD = "the first of all admins"
RUNTIME_SECRET = "runtime-secret-0123456789abcdef"
GOVERNANCE_SECRET = "governance-secret-0123456789abcdef"
TOOLS_SECRET = "tools-secret-0123456789 +:&%ü"


@dataclass(frozen=True)
class RunningAuth:
    """One running auth service."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: AuthSettings
    database: Database

    @property
    def parts(self) -> Parts:
        parts: Parts = self.app.state.parts
        return parts

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of the service's own schema."""
        async with self.database.transaction() as session:
            return [tuple(row) for row in await session.execute(text(statement), values)]

    async def run(self, statement: str, **values: Any) -> None:
        """Change something behind the service's back."""
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)

    async def all_is_sent(self) -> None:
        """Wait until every event of until now has gone out."""

        async def is_empty() -> bool:
            return not await self.rows("SELECT 1 FROM identity.outbox LIMIT 1")

        await eventually(is_empty, describe="the outbox is empty")

    async def register(self, email: str | None = None, password: str = PASSWORD) -> str:
        """Register somebody; their address."""
        email = email or f"{secrets.token_hex(8)}@example.org"
        answer = await self.client.post(
            "/api/v1/auth/register", json={"email": email, "password": password, "name": "Ada"}
        )
        assert answer.status_code == 202, answer.text
        return email

    async def log_in(self, email: str | None = None, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """The tokens of a login; of somebody new where no address is given."""
        email = email or await self.register()
        answer = await self.client.post("/api/v1/auth/login", json={"email": email, "password": password, **more})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def application(self, token: str, **body: Any) -> dict[str, Any]:
        """An application of whoever has that token, as its making answers: with its secret."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.post("/api/v1/auth/clients", json={"name": "nightly", **body}, headers=headers)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def token(self, **form: str) -> httpx.Response:
        """A request to the token endpoint."""
        return await self.client.post("/api/v1/auth/token", data=form)


@asynccontextmanager
async def running(settings: AuthSettings) -> AsyncGenerator[RunningAuth]:
    """The service with these settings, as its lifespan leaves it: perhaps not seeded yet."""
    app = create_app(settings)
    database = Database(settings.database_url.get_secret_value(), pool_size=4)
    transport = httpx.ASGITransport(app)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=ISSUER) as client,
        ):
            yield RunningAuth(app, client, settings, database)
    finally:
        await database.close()


async def is_healthy(auth: RunningAuth) -> bool:
    """Whether /health says so."""
    return (await auth.client.get("/health")).status_code == 200
