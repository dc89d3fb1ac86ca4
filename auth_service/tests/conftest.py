"""The real service over a migrated PostgreSQL and a real NATS, with cheap argon2 so that the suite is quick."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from auth_service.main import SERVICE
from auth_service.settings import AuthSettings
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    GOVERNANCE_SECRET,
    ISSUER,
    RUNTIME_SECRET,
    TOOLS_SECRET,
    RunningAuth,
    is_healthy,
    running,
)


@pytest.fixture(scope="session")
async def auth_settings(
    migrated_database: Callable[[Any], Awaitable[str]],
    nats_server: Any,
    identity_keys: Path,
) -> AuthSettings:
    """Settings of a service on the session's servers."""
    return AuthSettings(
        database_url=SecretStr(await migrated_database(SERVICE)),
        nats_url=nats_server.url,
        nats_token=SecretStr(nats_server.token),
        client_secret=SecretStr("auth-secret-0123456789abcdef"),
        issuer=ISSUER,
        signing_key_file=identity_keys / "signing-key.pem",
        admin_email=ADMIN_EMAIL,
        admin_password=SecretStr(ADMIN_PASSWORD),
        service_clients={
            "runtime": SecretStr(RUNTIME_SECRET),
            "tools": SecretStr(TOOLS_SECRET),
            "governance": SecretStr(GOVERNANCE_SECRET),
        },
        argon2_memory_kib=64,
        argon2_rounds=1,
        database_pool_size=16,
        argon2_waiting=500,
        limit_failures_burst=10_000,
        erase_again_after_s=0,
        limit_sign_ups_burst=10_000,
    )


@pytest.fixture(scope="session")
async def auth(auth_settings: AuthSettings) -> AsyncGenerator[RunningAuth]:
    """The running service, seeded."""
    async with running(auth_settings) as service:
        await eventually(lambda: is_healthy(service), describe="the service seeds its database")
        yield service
