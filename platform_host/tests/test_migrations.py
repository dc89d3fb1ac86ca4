from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from agent_management_service.main import SERVICE as MANAGEMENT
from auth_service.main import SERVICE as AUTH
from kgents_shared.http.service import ServiceDefinition
from platform_host import migrations
from platform_host.embedded.postgres import EmbeddedPostgres
from platform_host.embedded.provision import provision
from platform_host.migrations import current_revisions, migrate

SERVICES = [AUTH, MANAGEMENT]


@dataclass(frozen=True)
class Databases:
    server: EmbeddedPostgres
    secrets: Path

    async def fresh(self, name: str) -> dict[str, str]:
        return await provision(self.server.url, SERVICES, self.secrets, database=name)


@pytest.fixture(scope="module")
async def databases(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Databases]:
    folder = tmp_path_factory.mktemp("migrations")
    async with EmbeddedPostgres(folder / "pg") as server:
        yield Databases(server, folder / "secrets")


async def test_every_schema_is_brought_up_by_its_own_role_and_then_left_alone(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh("first")
    record = tmp_path / "state" / "migrations.json"
    assert await migrate(SERVICES, urls, record) == ["auth", "management"]
    assert await migrate(SERVICES, urls, record) == []
    assert await current_revisions(AUTH, urls["auth"])
    async with await psycopg.AsyncConnection.connect(urls["management"]) as connection:
        found = await connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'agents'")
        assert await found.fetchall() == [("agent_management_service",)]


async def test_a_start_with_nothing_new_does_not_load_alembic(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = await databases.fresh("second")
    record = tmp_path / "migrations.json"
    await migrate(SERVICES, urls, record)

    def refuse(*_: object) -> None:
        raise AssertionError("Alembic was asked")

    monkeypatch.setattr(migrations, "_upgrade", refuse)
    assert await migrate(SERVICES, urls, record) == []


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"auth": {"digest": "other", "revisions": ["0001"]}}'])
async def test_a_record_that_is_lost_or_old_costs_a_look_and_nothing_else(
    databases: Databases, tmp_path: Path, record: str
) -> None:
    urls = await databases.fresh("third")
    file = tmp_path / "migrations.json"
    file.write_text(record)
    assert await migrate(SERVICES, urls, file) == ["auth", "management"]
    assert await migrate(SERVICES, urls, file) == []


async def test_a_database_that_was_put_back_to_before_a_migration_is_migrated_again(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh("fourth")
    record = tmp_path / "migrations.json"
    await migrate(SERVICES, urls, record)
    replaced = await databases.fresh("fifth")
    assert await migrate(SERVICES, replaced, record) == ["auth", "management"]


async def test_changed_scripts_are_noticed(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = await databases.fresh("sixth")
    record = tmp_path / "migrations.json"
    await migrate(SERVICES, urls, record)
    monkeypatch.setattr(migrations, "scripts_digest", _changed_digest)
    assert await migrate(SERVICES, urls, record) == ["auth", "management"]


def _changed_digest(definition: ServiceDefinition) -> str:
    return f"changed {definition.name}"
