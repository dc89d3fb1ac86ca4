"""A PostgreSQL that isn't ours alone: provisioned, migrated, and with its walls between the services."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from kgents_shared.db import migrations
from kgents_shared.http.service import installed_services
from platform_host.embedded.provision import DATABASE, provision, url_with

SERVICES = installed_services()


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Each service's URL, and where the passwords lie."""

    admin_url: str
    urls: dict[str, str]
    secrets: Path


@pytest.fixture(scope="module")
async def provisioned(container_postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Provisioned:
    secrets = tmp_path_factory.mktemp("provisioned") / "secrets"
    urls = await provision(container_postgres_url, list(SERVICES.values()), secrets)
    for name, definition in SERVICES.items():
        await asyncio.to_thread(migrations.upgrade, definition, urls[name])
    return Provisioned(container_postgres_url, urls, secrets)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_migrates_as_its_own_role_and_its_models_agree(provisioned: Provisioned, name: str) -> None:
    url = provisioned.urls[name]
    assert await asyncio.to_thread(migrations.is_current, SERVICES[name], url)
    await asyncio.to_thread(migrations.check, SERVICES[name], url)


async def test_every_role_can_use_pgvector(provisioned: Provisioned) -> None:
    for url in provisioned.urls.values():
        async with await psycopg.AsyncConnection.connect(url) as connection:
            found = await connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'::vector")
            assert await found.fetchone() == (5.0,)


async def test_provisioning_again_changes_no_address(provisioned: Provisioned) -> None:
    again = await provision(provisioned.admin_url, list(SERVICES.values()), provisioned.secrets)
    assert again == provisioned.urls
    async with await psycopg.AsyncConnection.connect(again["auth"]) as connection:
        found = await connection.execute("SELECT current_user, current_database()")
        assert await found.fetchone() == (SERVICES["auth"].role, DATABASE)


async def test_a_role_cannot_read_another_schema(provisioned: Provisioned) -> None:
    own = sql.Identifier(SERVICES["runtime"].schema, "alembic_version")
    foreign = sql.Identifier(SERVICES["auth"].schema, "alembic_version")
    async with await psycopg.AsyncConnection.connect(provisioned.urls["runtime"]) as connection:
        await connection.execute(sql.SQL("SELECT * FROM {}").format(own))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(sql.SQL("SELECT * FROM {}").format(foreign))


async def test_a_role_gets_in_with_its_own_password_only(provisioned: Provisioned) -> None:
    wrong = url_with(provisioned.urls["runtime"], user=SERVICES["runtime"].role, password="guessed")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(wrong)
