"""The whole service, as production runs it: real PostgreSQL, real NATS, real sandboxes, siblings over real HTTP."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from aiohttp import web
from fastapi import FastAPI

from agent_deployment_service.main import SERVICE, create_app
from agent_deployment_service.settings import DeploymentSettings
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.testing.tokens import TokenIssuer

WORKERS = Path(__file__).parent / "launchers" / "workers"
Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]


@dataclass
class Siblings:
    """What the service's siblings answer on the wire: auth's tokens, management's agents, the runtime's instances."""

    issuer: TokenIssuer
    desired: dict[UUID, PublishedAgent] = field(default_factory=dict[UUID, PublishedAgent])
    drafts: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    versions: dict[tuple[str, int], AgentSpec] = field(default_factory=dict[tuple[str, int], AgentSpec])
    instances: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    url: str = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v1/auth/token", self._token)
        app.router.add_get("/internal/agents/desired", self._desired)
        app.router.add_get("/internal/agents/resolve", self._resolve)
        app.router.add_get("/internal/agents/{id}/versions/{number}", self._version)
        app.router.add_get("/internal/instances", self._list)
        app.router.add_put("/internal/instances/{id}", self._put)
        app.router.add_delete("/internal/instances/{id}", self._delete)
        return app

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        token = self.issuer.service(str(form["client_id"]), str(form["audience"]))["Authorization"].split()[1]
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 900})

    async def _desired(self, _: web.Request) -> web.Response:
        items = [item.model_dump(mode="json") for item in self.desired.values()]
        return web.json_response({"items": items, "next_cursor": None})

    async def _resolve(self, request: web.Request) -> web.Response:
        known = (request.query["owner_id"], request.query["agent"]) in self.drafts
        return web.json_response({}, status=200 if known else 404)

    async def _version(self, request: web.Request) -> web.Response:
        spec = self.versions.get((request.match_info["id"], int(request.match_info["number"])))
        return web.json_response(
            {} if spec is None else spec.model_dump(mode="json"), status=404 if spec is None else 200
        )

    async def _list(self, _: web.Request) -> web.Response:
        items = [{"instance_id": key, **value} for key, value in self.instances.items()]
        return web.json_response({"items": items, "next_cursor": None})

    async def _put(self, request: web.Request) -> web.Response:
        self.instances[request.match_info["id"]] = await request.json()
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        self.instances.pop(request.match_info["id"], None)
        return web.Response(status=204)


@pytest.fixture(scope="session")
async def database_url(migrated_database: Callable[[Any], Awaitable[str]]) -> str:
    return await migrated_database(SERVICE)


@pytest.fixture(scope="session")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
async def siblings(issuer: TokenIssuer) -> AsyncGenerator[Siblings]:
    made = Siblings(issuer)
    runner = web.AppRunner(made.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    await runner.cleanup()


@pytest.fixture
def home() -> Generator[Path]:
    """A folder whose path leaves room for a Unix socket's."""
    folder = Path(tempfile.mkdtemp(prefix="kd-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def settings(database_url: str, nats_server: Any, siblings: Siblings, home: Path) -> DeploymentSettings:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("TRUNCATE deployments.deployments CASCADE")
    return DeploymentSettings.model_validate(
        {
            "database_url": database_url,
            "nats_url": nats_server.url,
            "nats_token": nats_server.token,
            "client_secret": "unused-here",
            "auth_url": siblings.url,
            "management_url": siblings.url,
            "runtime_url": siblings.url,
            "run_dir": home / "run",
            "logs_dir": home / "logs",
            "door": f"unix:{home}/door/door.sock",
            "door_dir": home / "door",
            "worker_module": "scripted_worker",
            "worker_import_paths": [WORKERS],
            "resync_interval_s": 0.5,
            "sweep_interval_s": 0.5,
            "shutdown_grace_s": 2,
        }
    )


@asynccontextmanager
async def running_app(settings: DeploymentSettings, issuer: TokenIssuer) -> AsyncGenerator[FastAPI]:
    made = create_app(settings, identity=issuer.identity)
    async with made.router.lifespan_context(made):
        yield made


RunningApp = Callable[[], Any]


@pytest.fixture
def start_app(settings: DeploymentSettings, issuer: TokenIssuer) -> RunningApp:
    """`async with start_app() as app`: the service from its start to its end."""
    return lambda: running_app(settings, issuer)


@pytest.fixture
async def app(start_app: RunningApp) -> AsyncGenerator[FastAPI]:
    async with start_app() as made:
        yield made


@pytest.fixture
async def client_with(app: FastAPI) -> AsyncGenerator[Clients]:
    async with AsyncExitStack() as stack:

        async def make(headers: dict[str, str]) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://deployment", headers=headers)
            return await stack.enter_async_context(client)

        yield make


@pytest.fixture
async def caller(client_with: Clients, issuer: TokenIssuer) -> httpx.AsyncClient:
    return await client_with(issuer.person("owner"))


@pytest.fixture
async def stranger(client_with: Clients, issuer: TokenIssuer) -> httpx.AsyncClient:
    return await client_with(issuer.person("stranger"))


def serving(siblings: Siblings) -> list[tuple[str, int, str]]:
    """Name, version and state of what the runtime knows."""
    return sorted((row["agent_name"], row["version"], row["state"]) for row in siblings.instances.values())


async def ask_worker(endpoint_url: str, source: str) -> bytes:
    """Runs Python in a scripted worker; its raw answer."""
    reader, writer = await asyncio.open_unix_connection(endpoint_url.removeprefix("unix:"))
    body = source.encode()
    writer.write(b"POST /run HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    answer = await reader.read()
    writer.close()
    return answer
