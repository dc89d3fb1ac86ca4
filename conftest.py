"""Real servers for every test: one PostgreSQL and one NATS a session, a migrated database a service."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psycopg
import pytest
import structlog
from psycopg import sql

from kgents_shared.db import migrations
from kgents_shared.http.service import ServiceDefinition
from platform_host.embedded.nats import EmbeddedNats
from platform_host.embedded.postgres import EmbeddedPostgres

# Without this, structlog draws every traceback with all its locals, which takes seconds for a deep one.
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# The same examples in each run, and how long one takes depends on what else the machine does. Others, to look for more:
# pytest --hypothesis-profile=default --hypothesis-seed=N
hypothesis.settings.register_profile("kgents", deadline=None, derandomize=True)
hypothesis.settings.load_profile("kgents")


def pytest_configure() -> None:
    """Modules and tests are collected without looking for garbage, which there hardly is."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What stands now stays: walking it on every pass was a fifth of what the tests' own processes did. The rest is
    looked through a third as often as by default, which is another twentieth for 100 MB.
    """
    gc.freeze()
    gc.set_threshold(2_000, 10, 40)
    gc.enable()


MigratedDatabase = Callable[[ServiceDefinition], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class NatsServer:
    """Where the session's NATS is and what opens it."""

    url: str
    token: str


@pytest.fixture(scope="session")
async def postgres_admin_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """A superuser's `postgresql://` URL of a fresh PostgreSQL that ends with the session."""
    async with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        await _forgo_durability(server.url)
        yield server.url


@pytest.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[NatsServer]:
    """A fresh NATS with JetStream that ends with the session."""
    async with EmbeddedNats(tmp_path_factory.mktemp("nats")) as server:
        yield NatsServer(server.url, server.token)


@pytest.fixture(scope="session")
def migrated_database(postgres_admin_url: str) -> MigratedDatabase:
    """`await migrated_database(SERVICE)` → the URL of that service's own role on a migrated database.

    Made once a session and service; tests keep apart by using owners of their own.
    """
    made: dict[str, str] = {}
    lock = asyncio.Lock()

    async def migrated(definition: ServiceDefinition) -> str:
        async with lock:
            if definition.name not in made:
                url = await _create_database(postgres_admin_url, definition)
                await asyncio.to_thread(migrations.upgrade, definition, url)
                made[definition.name] = url
            return made[definition.name]

    return migrated


@pytest.fixture(scope="session")
def identity_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of auth's key files. They go with its migrated database: what one key sealed, another can't open."""
    return tmp_path_factory.mktemp("keys")


async def _forgo_durability(admin_url: str) -> None:
    """What would survive a power cut is thrown away with the session, and writing it out is half of a commit."""
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            await admin.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        await admin.execute("SELECT pg_reload_conf()")


async def _create_database(admin_url: str, definition: ServiceDefinition) -> str:
    password = secrets.token_hex(16)
    database, role, schema = f"test_{definition.name}", definition.role, definition.schema
    server = admin_url.rsplit("/", 1)[0]
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        await admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        )
        await admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    async with await psycopg.AsyncConnection.connect(f"{server}/{database}", autocommit=True) as admin:
        await admin.execute(
            sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(schema), sql.Identifier(role))
        )
        # As the host provides it.
        await admin.execute("CREATE SCHEMA extensions")
        await admin.execute("CREATE EXTENSION vector SCHEMA extensions")
        await admin.execute(sql.SQL("GRANT USAGE ON SCHEMA extensions TO {}").format(sql.Identifier(role)))
        path = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}, extensions")
        await admin.execute(path.format(*map(sql.Identifier, (role, database, schema))))
    host = server.rsplit("@", 1)[1]
    return f"postgresql://{role}:{password}@{host}/{database}"
