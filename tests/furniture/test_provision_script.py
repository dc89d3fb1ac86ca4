"""infrastructure/provision.sh makes what the embedded host makes, with the psql that containers have."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import psycopg
import pytest
from psycopg import sql

from kgents_shared.db import migrations
from kgents_shared.http.service import installed_services
from platform_host.embedded.postgres import EmbeddedPostgres, binaries

ROOT = Path(__file__).resolve().parents[2]
SERVICES = installed_services()
PASSWORD = 'it\'s a "pass\\word" of $many %signs'


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[SplitResult]:
    """A PostgreSQL that nothing else uses, since roles belong to the whole server."""
    async with EmbeddedPostgres(tmp_path_factory.mktemp("provision")) as running:
        yield urlsplit(running.url)


async def provision(server: SplitResult, password: str = PASSWORD) -> tuple[int, str]:
    prefixes = [str(row.settings_type.model_config.get("env_prefix")) for row in SERVICES.values()]
    environment = {
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "PGHOST": str(server.hostname),
        "PGPORT": str(server.port),
        "PGUSER": str(server.username),
        "PGPASSWORD": str(server.password),
        **{f"{prefix}DATABASE_PASSWORD": password for prefix in prefixes},
    }
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", str(ROOT / "infrastructure/provision.sh"), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def connect(server: SplitResult, role: str) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(
        host=server.hostname, port=server.port, user=role, password=PASSWORD, dbname="kgents"
    )


async def test_it_can_be_run_again_and_each_role_sees_its_own_schema_alone(server: SplitResult) -> None:
    for _ in range(2):
        code, output = await provision(server)
        assert (code, output) == (0, "provision: done\n")
    for definition in SERVICES.values():
        async with await connect(server, definition.role) as connection:
            name = sql.Identifier(definition.schema, "mine")
            await connection.execute(sql.SQL("CREATE TABLE {} (id int)").format(name))
            await connection.execute("SELECT '[1,2]'::vector")
            await connection.commit()
    for mine, other in itertools.permutations(SERVICES.values(), 2):
        async with await connect(server, mine.role) as connection:
            foreign = sql.SQL("SELECT * FROM {}").format(sql.Identifier(other.schema, "mine"))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(foreign)


async def test_the_migrations_run_on_what_it_made(server: SplitResult) -> None:
    assert (await provision(server))[0] == 0
    definition = SERVICES["tools"]
    assert (await provision(server, "plain-password"))[0] == 0
    address = f"postgresql://{definition.role}:plain-password@{server.hostname}:{server.port}/kgents"
    await asyncio.to_thread(migrations.upgrade, definition, address)
    assert await asyncio.to_thread(migrations.is_current, definition, address)


async def test_a_missing_password_is_said_and_nothing_is_half_done(server: SplitResult) -> None:
    environment = {
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "PGHOST": str(server.hostname),
        "PGPORT": str(server.port),
    }
    environment |= {"PGUSER": str(server.username), "PGPASSWORD": str(server.password)}
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", str(ROOT / "infrastructure/provision.sh"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode != 0
    assert b"the password of auth_service is not set" in errors
