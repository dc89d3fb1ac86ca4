"""One database, and for each service a schema that its own role alone can use (DESIGN §3).

    urls = await provision(admin_url, services, Path("…/secrets"))     # {"auth": "postgresql://auth_service:…"}

`admin_url` belongs to a superuser or to a role with CREATEDB and CREATEROLE. Safe to call at each start: what is
there stays, rights and passwords are set anew. `services` are ServiceDefinitions, or anything with `name`, `role`
and `schema`. Extensions live in the schema `extensions`, owned by the administrator and usable by all roles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, sql

from platform_host.embedded.secret_file import private_folder, read_or_create

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DATABASE = "kgents"
EXTENSIONS = ("vector",)
_EXTENSION_SCHEMA = "extensions"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('kgents.provision'))"


class Tenant(Protocol):
    """Who gets a schema: the part of a ServiceDefinition that matters here."""

    @property
    def name(self) -> str:
        """The service's name."""
        ...

    @property
    def role(self) -> str:
        """The PostgreSQL role that it connects as."""
        ...

    @property
    def schema(self) -> str:
        """The schema that the role owns."""
        ...


def plain_url(url: str) -> str:
    """A PostgreSQL URL as libpq reads it: SQLAlchemy's driver suffix and the old scheme name are dropped."""
    rest = url.partition("://")[2]
    return f"postgresql://{rest}"


def url_with(url: str, *, user: str | None = None, password: str | None = None, database: str | None = None) -> str:
    """`url` with another role or database; host, port and parameters stay."""
    parts = urlsplit(plain_url(url))
    location = parts.netloc.rpartition("@")
    login = location[0] if user is None else f"{quote(user, safe='')}:{quote(password or '', safe='')}"
    path = parts.path if database is None else f"/{quote(database, safe='')}"
    netloc = f"{login}@{location[2]}" if login else location[2]
    return urlunsplit(parts._replace(netloc=netloc, path=path))


async def provision(
    admin_url: str,
    services: Sequence[Tenant],
    secrets_dir: Path,
    *,
    database: str = DATABASE,
    whole_server: bool = False,
) -> dict[str, str]:
    """Make what is missing and set every right; returns each service's own URL by name.

    `whole_server`: the server is ours alone, so its other databases are closed to the services' roles too.
    Raises psycopg.Error where the server refuses, OSError where the passwords can't be kept.
    """
    private_folder(secrets_dir)
    passwords = {each.role: read_or_create(secrets_dir / f"database-{each.role}.secret") for each in services}
    async with await AsyncConnection.connect(plain_url(admin_url), autocommit=True) as server:
        await _make_database(server, database)
        async with server.transaction():
            await server.execute(_LOCK)
            for each in services:
                await _make_role(server, each.role, passwords[each.role])
            await _limit_connections(server, database, [each.role for each in services])
            if whole_server:
                for other in ("postgres", "template1"):
                    await server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(other)))
    async with await AsyncConnection.connect(url_with(admin_url, database=database)) as inside:
        await inside.execute(_LOCK)
        await _make_extensions(inside, [each.role for each in services])
        for each in services:
            await _make_schema(inside, each, database)
    return {
        each.name: url_with(admin_url, user=each.role, password=passwords[each.role], database=database)
        for each in services
    }


async def _make_database(server: AsyncConnection, database: str) -> None:
    found = await server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
    if await found.fetchone() is None:
        try:
            # Not as the server's template is: in a cluster of encoding SQL_ASCII, text would come back as bytes.
            made = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(database))
            await server.execute(made)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # another host made it just now


async def _make_role(server: AsyncConnection, role: str, password: str) -> None:
    name = sql.Identifier(role)
    found = await server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    if await found.fetchone() is None:
        await server.execute(sql.SQL("CREATE ROLE {}").format(name))
        await server.execute(_set_membership(role))
    # Hashed on this side, so that no server's statement log ever shows the password.
    verifier = server.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    await server.execute(
        sql.SQL("ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {}").format(name, sql.Literal(verifier))
    )


def _set_membership(role: str) -> sql.Composed:
    """An administrator who is no superuser may only give a schema to a role that it may become."""
    statement = sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
    return statement.format(sql.Identifier(role))


async def _limit_connections(server: AsyncConnection, database: str, roles: Sequence[str]) -> None:
    name = sql.Identifier(database)
    await server.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role in roles:
        await server.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(role)))


async def _make_extensions(inside: AsyncConnection, roles: Sequence[str]) -> None:
    schema = sql.Identifier(_EXTENSION_SCHEMA)
    await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await inside.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    await inside.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM PUBLIC").format(schema))
    for extension in EXTENSIONS:
        statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {}")
        await inside.execute(statement.format(sql.Identifier(extension), schema))
    for role in roles:
        await inside.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, sql.Identifier(role)))


async def _make_schema(inside: AsyncConnection, service: Tenant, database: str) -> None:
    schema, role = sql.Identifier(service.schema), sql.Identifier(service.role)
    await inside.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(schema, role))
    await inside.execute(sql.SQL("SET LOCAL ROLE {}").format(role))  # the owner's right to give, not ours
    await inside.execute(sql.SQL("REVOKE ALL ON SCHEMA {} FROM PUBLIC").format(schema))
    await inside.execute("RESET ROLE")
    statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}, {}")
    await inside.execute(statement.format(role, sql.Identifier(database), schema, sql.Identifier(_EXTENSION_SCHEMA)))
