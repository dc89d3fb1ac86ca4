"""Each service's role is refused by PostgreSQL in every schema but its own (DESIGN §3), on the running platform."""

from __future__ import annotations

import itertools

import psycopg
import pytest
from psycopg import sql

from kgents_shared.http.service import installed_services
from platform_host.embedded.provision import DATABASE, url_with
from tests.e2e.running_platform import RunningPlatform

SERVICES = installed_services()
PAIRS = [(mine, other) for mine, other in itertools.product(SERVICES, SERVICES) if mine != other]


def role_url(platform: RunningPlatform, role: str) -> str:
    """The address under which a service's role connects, made from what the host keeps for it."""
    port = (platform.home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[3]
    secret = platform.home / "secrets" / f"database-{role}.secret"
    return url_with(
        f"postgresql://127.0.0.1:{port}/", user=role, password=secret.read_text().strip(), database=DATABASE
    )


@pytest.mark.parametrize(("mine", "other"), PAIRS, ids=[f"{mine}-reads-{other}" for mine, other in PAIRS])
async def test_a_role_cannot_read_another_schema(platform: RunningPlatform, mine: str, other: str):
    async with await psycopg.AsyncConnection.connect(role_url(platform, SERVICES[mine].role)) as connection:
        own = sql.Identifier(SERVICES[mine].schema, "alembic_version")
        foreign = sql.Identifier(SERVICES[other].schema, "alembic_version")
        await connection.execute(sql.SQL("SELECT * FROM {}").format(own))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(sql.SQL("SELECT * FROM {}").format(foreign))
