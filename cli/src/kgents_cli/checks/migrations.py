"""`alembic check` for every service on a PostgreSQL of its own: models and migrations must agree.

Run as `python -m kgents_cli.checks.migrations`: 0 if they do.
"""

import asyncio
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import psycopg
from alembic.util.exc import CommandError
from psycopg import sql

from kgents_shared.db import migrations
from kgents_shared.http.service import ServiceDefinition
from platform_host.embedded.postgres import EmbeddedPostgres


def services_with_schema() -> list[ServiceDefinition]:
    """Every installed service that keeps tables."""
    found: list[ServiceDefinition] = [entry.load() for entry in entry_points(group="kgents.services")]
    return [service for service in found if (service.root / "alembic.ini").is_file()]


async def disagreements() -> list[str]:
    """A sentence for each service whose models say other than its migrations."""
    services = services_with_schema()
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kgents-lint-") as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as server:
            async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as admin:
                for service in services:
                    await admin.execute(
                        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(service.schema))
                    )
            for service in services:
                try:
                    await asyncio.to_thread(migrations.upgrade, service, server.url)
                    await asyncio.to_thread(migrations.check, service, server.url)
                except (CommandError, psycopg.Error) as fault:
                    faults.append(f"{service.name} (schema {service.schema}): {fault}")
    return faults


def main() -> int:
    """Exit code: 1 if any service's models and migrations disagree."""
    faults = asyncio.run(disagreements())
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
