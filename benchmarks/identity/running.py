"""One auth service with its default costs, a PostgreSQL and a NATS of its own, and who comes in there."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx

from auth_service.main import SERVICE
from benchmarks.candidate import HOST
from benchmarks.child_process import StartFailed, last_lines, python_module
from kgents_shared.db import migrations
from kgents_shared.testing.polling import eventually
from platform_host.embedded.nats import EmbeddedNats
from platform_host.embedded.postgres import EmbeddedPostgres
from platform_host.embedded.provision import provision

_HEALTHY_WITHIN_S = 30.0
_CLIENT = "runtime"
NOTHING_ELSE: Mapping[str, str] = {}


class UnexpectedAnswer(Exception):
    """The service answered otherwise than its documents say."""


@dataclass(frozen=True, slots=True)
class AuthProcess:
    """The service under measure; `beside` are the pids of what it stores and tells things with."""

    port: int
    pid: int
    beside: tuple[int, ...]
    logins: tuple[str, ...]
    application: str
    service: str


@asynccontextmanager
async def auth_process(
    folder: Path, core: int, people: int, settings: Mapping[str, str] = NOTHING_ELSE
) -> AsyncGenerator[AuthProcess]:
    """Start everything, register people and an application, end everything. `settings` are `AUTH_*` beside the usual.

    Raises StartFailed, UnexpectedAnswer.
    """
    log, secret = folder / "auth.log", secrets.token_hex(32)
    async with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedNats(folder / "nats") as nats:
        url = (await provision(postgres.url, [SERVICE], folder / "secrets"))[SERVICE.name]
        await asyncio.to_thread(migrations.upgrade, SERVICE, url)
        environment = auth_environment(folder, url, secret) | {
            "AUTH_NATS_URL": nats.url,
            "AUTH_NATS_TOKEN": nats.token,
            **settings,
        }
        served = python_module("benchmarks.identity.server", "--core", str(core), log=log, environment=environment)
        async with served as (pid, told):
            port = int(str(told["port"]))
            async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30) as client:
                await _healthy(client, log)
                logins = [await _person(client) for _ in range(people)]
                application = await _application(client, logins[0])
            assert postgres.pid is not None
            assert nats.pid is not None
            beside = (postgres.pid, nats.pid)
            shown = {"client_id": _CLIENT, "client_secret": secret, "audience": "tools"}
            yield AuthProcess(port, pid, beside, tuple(logins), application, grant_form(shown))


def auth_environment(folder: Path, database_url: str, client_secret: str) -> dict[str, str]:
    """The settings: what is left out, the costs and limits above all, is as an operator finds it."""
    foreign = dict.fromkeys((name for name in os.environ if name.startswith("AUTH_")), "")
    return foreign | {
        "AUTH_DATABASE_URL": database_url,
        "AUTH_CLIENT_SECRET": client_secret,
        "AUTH_SIGNING_KEY_FILE": str(folder / "signing-key.pem"),
        "AUTH_SERVICE_CLIENTS": json.dumps({_CLIENT: client_secret}),
        "AUTH_LOG_LEVEL": "WARNING",
    }


def grant_form(shown: Mapping[str, str]) -> str:
    """The form of a `client_credentials` grant."""
    return urlencode({"grant_type": "client_credentials", **shown})


async def _healthy(client: httpx.AsyncClient, log: Path) -> None:
    async def is_healthy() -> bool:
        return (await client.get("/health")).status_code == 200

    try:
        await eventually(is_healthy, timeout=_HEALTHY_WITHIN_S)
    except AssertionError as error:
        raise StartFailed(f"the auth service isn't healthy: {last_lines(log)}") from error


async def _person(client: httpx.AsyncClient) -> str:
    """Register somebody; the body of their login."""
    login = {"email": f"{secrets.token_hex(8)}@example.org", "password": secrets.token_urlsafe()}
    await _post(client, "/api/v1/auth/register", {**login, "name": "Ada"}, 202)
    return json.dumps(login)


async def _application(client: httpx.AsyncClient, login: str) -> str:
    """Make an application of a person; the form by which it gets its tokens."""
    tokens = await _post(client, "/api/v1/auth/login", json.loads(login), 200)
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    made = await _post(client, "/api/v1/auth/clients", {"name": "measured", "scopes": ["agents:read"]}, 201)
    return grant_form({name: str(made[name]) for name in ("client_id", "client_secret")})


async def _post(
    client: httpx.AsyncClient, path: str, body: Mapping[str, object], expected: int
) -> Mapping[str, object]:
    answer = await client.post(path, json=body)
    if answer.status_code != expected:
        raise UnexpectedAnswer(f"POST {path} → {answer.status_code}: {answer.text[:500]}")
    made: Mapping[str, object] = answer.json()
    return made
