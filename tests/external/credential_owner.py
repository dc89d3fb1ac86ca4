"""Somebody who keeps credentials at a real auth service, and tools at a registry that asks it for them."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from auth_service.settings import AuthSettings
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ISSUER, RUNTIME_SECRET, TOOLS_SECRET, RunningAuth, is_healthy, running
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.running_runtime import serving

CREDENTIALS = "/api/v1/credentials"


@dataclass
class CredentialOwner:
    """An owner who keeps credentials at the auth service and tools at the registry."""

    auth: RunningAuth
    registry: RunningRegistry
    headers: dict[str, str]

    async def keep(self, secret: Any, kind: str = "mcp") -> str:
        """Keep a secret; its reference."""
        body = {"name": f"c-{secrets.token_hex(6)}", "type": kind, "secret": secret}
        answer = await self.auth.client.post(CREDENTIALS, json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["credential_ref"])

    async def uses(self, ref: str) -> list[dict[str, Any]]:
        """Who was given it."""
        answer = await self.auth.client.get(f"{CREDENTIALS}/{ref}/uses", headers=self.headers)
        rows: list[dict[str, Any]] = answer.json()["items"]
        return rows


@asynccontextmanager
async def vault_over_http(database_url: str, nats: Any, keys: Path) -> AsyncGenerator[tuple[RunningAuth, str]]:
    """The auth service over HTTP, and where it is."""
    settings = AuthSettings(
        database_url=SecretStr(database_url),
        nats_url=nats.url,
        nats_token=SecretStr(nats.token),
        client_secret=SecretStr("auth-secret-0123456789abcdef"),
        issuer=ISSUER,
        signing_key_file=keys / "signing-key.pem",
        service_clients={"runtime": SecretStr(RUNTIME_SECRET), "tools": SecretStr(TOOLS_SECRET)},
        argon2_memory_kib=64,
        argon2_rounds=1,
        # The other tests of the session count in the same tables.
        limit_failures_burst=10_000,
        limit_sign_ups_burst=10_000,
    )
    async with running(settings) as auth, serving(auth.app, port=0, lifespan="off") as server:
        await eventually(lambda: is_healthy(auth))
        port = server.servers[0].sockets[0].getsockname()[1]
        yield auth, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def credential_owner(
    vault: tuple[RunningAuth, str], database_url: str, **changes: Any
) -> AsyncGenerator[CredentialOwner]:
    """Somebody new, and a registry of their own; `changes` are its settings."""
    auth, url = vault
    headers = {"Authorization": f"Bearer {(await auth.log_in())['access_token']}"}
    asked: dict[str, Any] = {"auth_url": url, "client_secret": SecretStr(TOOLS_SECRET), "call_timeout_s": 5}
    async with running_registry(database_url, **(asked | changes)) as registry:
        registry.owner = (await auth.client.get("/api/v1/users/me", headers=headers)).json()["id"]
        yield CredentialOwner(auth, registry, headers)
