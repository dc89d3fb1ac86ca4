"""`alembic check` for every service on a PostgreSQL of its own: models and migrations must agree.

Run as `python -m kgents_cli.checks.migrations`: 0 if they do.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg
from alembic.util.exc import CommandError
from psycopg import sql
from sqlalchemy.exc import SQLAlchemyError

from kgents_shared.db import migrations
from kgents_shared.http.service import ServiceDefinition, installed_services
from platform_host.embedded.postgres import EmbeddedPostgres


def services_with_schema() -> list[ServiceDefinition]:
    """Every installed service that keeps tables."""
    return [service for service in installed_services().values() if (service.root / "alembic.ini").is_file()]


async def disagreements(url: str, services: Sequence[ServiceDefinition]) -> list[str]:
    """A sentence for each service whose models say other than its migrations; `url` is an administrator's."""
    faults: list[str] = []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        for service in services:
            await admin.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(service.schema)))
    for service in services:
        try:
            await asyncio.to_thread(migrations.upgrade, service, url)
            await asyncio.to_thread(migrations.check, service, url)
        except (CommandError, psycopg.Error, SQLAlchemyError) as fault:
            faults.append(f"{service.name} (schema {service.schema}): {fault}")
    return faults


async def _check_all() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="kgents-lint-") as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as server:
            return await disagreements(server.url, services_with_schema())


def main() -> int:
    """Exit code: 1 if any service's models and migrations disagree."""
    faults = asyncio.run(_check_all())
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
