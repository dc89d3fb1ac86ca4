import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from platform_host.embedded.postgres import EmbeddedPostgres
from platform_host.embedded.provision import provision, url_with


@dataclass(frozen=True)
class Service:
    name: str
    role: str
    schema: str


SERVICES = [
    Service("auth", "auth_service", "identity"),
    Service("management", "agent_management_service", "agents"),
    Service("tools", "tool_registry_service", "tools"),
    Service("deployment", "agent_deployment_service", "deployments"),
    Service("runtime", "agent_runtime_service", "runtime"),
    Service("nl", "nl_agent_service", "nl"),
    Service("governance", "governance_service", "governance"),
]
PAIRS = list(itertools.permutations(SERVICES, 2))


@dataclass(frozen=True)
class Provisioned:
    server: EmbeddedPostgres
    urls: dict[str, str]
    secrets: Path


@pytest.fixture(scope="module")
async def provisioned(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provisioned]:
    folder = tmp_path_factory.mktemp("provision")
    async with EmbeddedPostgres(folder / "pg") as server:
        urls = await provision(server.url, SERVICES, folder / "secrets", whole_server=True)
        for service in SERVICES:
            async with await AsyncConnection.connect(urls[service.name]) as own:
                table = sql.Identifier(service.schema, "kept")
                await own.execute(sql.SQL("CREATE TABLE {} (n int)").format(table))
                await own.execute(sql.SQL("INSERT INTO {} VALUES (1)").format(table))
        yield Provisioned(server, urls, folder / "secrets")


@pytest.mark.parametrize(("asking", "asked"), PAIRS, ids=[f"{a.role} in {b.schema}" for a, b in PAIRS])
async def test_a_role_can_touch_no_schema_but_its_own(
    provisioned: Provisioned, asking: Service, asked: Service
) -> None:
    table = sql.Identifier(asked.schema, "kept")
    async with await AsyncConnection.connect(provisioned.urls[asking.name], autocommit=True) as connection:
        for statement in ("SELECT * FROM {}", "INSERT INTO {} VALUES (2)", "DROP TABLE {}", "CREATE TABLE {} (n int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(sql.SQL(statement).format(table))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(asked.role)))


@pytest.mark.parametrize("service", SERVICES, ids=[service.role for service in SERVICES])
async def test_a_role_has_nothing_outside_its_schema(provisioned: Provisioned, service: Service) -> None:
    url = provisioned.urls[service.name]
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE public.mine (n int)",
            "CREATE TABLE extensions.mine (n int)",
            "CREATE TEMPORARY TABLE mine (n int)",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            "CREATE DATABASE mine",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('PG_VERSION')",
            "SELECT rolpassword FROM pg_authid",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement.encode())
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            await AsyncConnection.connect(url_with(url, database=database))


async def test_a_role_finds_its_own_tables_and_vectors_without_naming_a_schema(provisioned: Provisioned) -> None:
    async with await AsyncConnection.connect(provisioned.urls["runtime"]) as connection:
        found = await connection.execute("SELECT n, '[1,2]'::vector <-> '[1,4]' FROM kept")
        assert await found.fetchone() == (1, 2.0)


async def test_passwords_are_random_kept_in_private_files_and_hashed(provisioned: Provisioned) -> None:
    files = sorted(provisioned.secrets.iterdir())
    assert [file.name for file in files] == sorted(f"database-{service.role}.secret" for service in SERVICES)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert len({file.read_text() for file in files}) == len(SERVICES)
    async with await AsyncConnection.connect(provisioned.server.url) as connection:
        found = await connection.execute("SELECT rolpassword FROM pg_authid WHERE rolcanlogin")
        assert all(str(row[0]).startswith("SCRAM-SHA-256$") for row in await found.fetchall())


async def test_provisioning_again_changes_nothing_and_mends_what_was_loosened(provisioned: Provisioned) -> None:
    async with await AsyncConnection.connect(url_with(provisioned.server.url, database="kgents")) as connection:
        await connection.execute("GRANT USAGE ON SCHEMA agents TO PUBLIC")
        await connection.execute("ALTER ROLE auth_service PASSWORD 'changed'")
    again = await provision(provisioned.server.url, SERVICES, provisioned.secrets, whole_server=True)
    assert again == provisioned.urls
    async with await AsyncConnection.connect(again["auth"]) as connection:
        found = await connection.execute("SELECT n FROM kept")
        assert await found.fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT * FROM agents.kept")


async def test_an_administrator_who_is_no_superuser_can_provision(provisioned: Provisioned, tmp_path: Path) -> None:
    async with await AsyncConnection.connect(provisioned.server.url, autocommit=True) as connection:
        await connection.execute("CREATE ROLE landlord LOGIN CREATEDB CREATEROLE PASSWORD 'p%/:@ w'")
        await connection.execute("GRANT CONNECT ON DATABASE postgres TO landlord")
        await connection.execute("CREATE DATABASE managed OWNER landlord")
    async with await AsyncConnection.connect(
        url_with(provisioned.server.url, database="managed"), autocommit=True
    ) as connection:
        await connection.execute("CREATE SCHEMA extensions AUTHORIZATION landlord")
        await connection.execute("CREATE EXTENSION vector SCHEMA extensions")
    admin = url_with(provisioned.server.url, user="landlord", password="p%/:@ w")
    tenant = Service("other", "other_service", "other")
    urls = await provision(admin, [tenant], tmp_path, database="managed")
    assert await provision(admin, [tenant], tmp_path, database="managed") == urls
    async with await AsyncConnection.connect(urls["other"]) as connection:
        await connection.execute("CREATE TABLE mine (v vector(3))")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://a:b@h:1/x", "postgresql://r:p%2F@h:1/kgents"),
        ("postgresql+psycopg://a@h/x?sslmode=require", "postgresql://r:p%2F@h/kgents?sslmode=require"),
        ("postgresql://h", "postgresql://r:p%2F@h/kgents"),
    ],
)
def test_a_service_url_keeps_the_servers_address_and_parameters(given: str, expected: str) -> None:
    assert url_with(given, user="r", password="p/", database="kgents") == expected


async def test_the_database_is_utf_8_where_the_template_is_not(provisioned: Provisioned, tmp_path: Path) -> None:
    encoding = "UPDATE pg_database SET encoding = pg_char_to_encoding(%s) WHERE datname = 'template1'"
    found = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'from_ascii'"
    async with await AsyncConnection.connect(provisioned.server.url, autocommit=True) as admin:
        await admin.execute(encoding, ("SQL_ASCII",))
        try:
            await provision(provisioned.server.url, [], tmp_path / "secrets", database="from_ascii")
        finally:
            await admin.execute(encoding, ("UTF8",))
        assert await (await admin.execute(found)).fetchone() == ("UTF8",)
