"""Alembic for one schema: lock timeout, one migration at a time, its own version table (CONVENTIONS, habit 8)."""

import threading
from typing import TYPE_CHECKING, Any

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, event, text
from sqlalchemy.pool import NullPool

from kgents_shared.db.engine import sqlalchemy_url

if TYPE_CHECKING:
    from kgents_shared.http.service import ServiceDefinition

_LOCK_TIMEOUT = "5s"
_one_at_a_time = threading.Lock()  # alembic's `context` is one for the whole process


def run_env(metadata: MetaData, *, made_as_needed: str | None = None) -> None:
    """The whole of a service's `alembic/env.py`: migrate the schema of `metadata`.

    Tables whose names begin with `made_as_needed` are the service's own to make; no migration knows them.
    The address comes from the caller's configuration (`sqlalchemy.url`), or from `<PREFIX>DATABASE_URL` which the
    service's env.py puts there for `alembic upgrade head` in an image.
    """
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise RuntimeError("no database address: set the service's DATABASE_URL")
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool)
    event.listen(engine, "connect", _leave_schema_path, insert=True)
    with engine.connect() as connection:
        _migrate(connection, metadata, made_as_needed)
    engine.dispose()


def _leave_schema_path(connection: Any, _: Any) -> None:
    # A provisioned role has its schema on the search path, and what is found there is reflected without its schema:
    # every table would seem to be missing. Before SQLAlchemy's own first look, as its documentation advises.
    connection.execute("SET search_path = public, extensions")
    connection.commit()


def _migrate(connection: Connection, metadata: MetaData, made_as_needed: str | None) -> None:
    schema = metadata.schema
    # First the wait for another's migration, however long that takes; the bound is for locks that requests need too.
    connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": f"kgents.migrate.{schema}"})
    connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
    connection.commit()

    def include_name(name: str | None, kind: str, _: Any) -> bool:
        if kind == "schema":
            return name == schema
        return kind != "table" or made_as_needed is None or name is None or not name.startswith(made_as_needed)

    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=schema,
        include_schemas=True,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def alembic_config(definition: "ServiceDefinition", url: str) -> Config:
    """Alembic's configuration of one service, with the database's address put in."""
    config = Config(str(definition.root / "alembic.ini"))
    config.set_main_option("script_location", str(definition.root / "alembic"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def heads(definition: "ServiceDefinition") -> set[str]:
    """The newest revisions in a service's scripts."""
    return set(ScriptDirectory(str(definition.root / "alembic")).get_heads())


def is_current(definition: "ServiceDefinition", url: str) -> bool:
    """Whether the database stands at the scripts' newest revision."""
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"version_table_schema": definition.schema})
        found = set(migration.get_current_heads())
    engine.dispose()
    return found == heads(definition)


def upgrade(definition: "ServiceDefinition", url: str) -> None:
    """Bring a service's schema to the newest revision. Blocking: call it in a thread."""
    with _one_at_a_time:
        command.upgrade(alembic_config(definition, url), "head")


def check(definition: "ServiceDefinition", url: str) -> None:
    """Raise where the models and the migrations disagree (`alembic check`). Blocking."""
    with _one_at_a_time:
        command.check(alembic_config(definition, url))
