"""Every schema at its newest revision, quickly: where nothing changed since the last start, Alembic isn't even loaded.

`run/../state/migrations.json` keeps, for each service, the digest of its scripts and the revision that they led to. A
start compares the digest with the scripts and the revision with the database; only where one differs it migrates.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

import psycopg
import structlog
from psycopg import AsyncConnection, sql

from platform_host.embedded.secret_file import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kgents_shared.http.service import ServiceDefinition

_log = structlog.get_logger("kgents.host")


def scripts_digest(definition: ServiceDefinition) -> str:
    """A digest over the names and contents of a service's migrations."""
    digest = hashlib.sha256()
    for script in sorted(definition.root.joinpath("alembic", "versions").glob("*.py")):
        digest.update(script.name.encode() + b"\0" + script.read_bytes() + b"\0")
    return digest.hexdigest()


async def current_revisions(definition: ServiceDefinition, url: str) -> list[str]:
    """The revisions at which the service's schema stands; none where it was never migrated."""
    async with await AsyncConnection.connect(url) as connection:
        try:
            table = sql.Identifier(definition.schema, "alembic_version")
            found = await connection.execute(sql.SQL("SELECT version_num FROM {} ORDER BY 1").format(table))
            return [str(row[0]) for row in await found.fetchall()]
        except psycopg.errors.UndefinedTable:
            return []


async def migrate(definitions: Sequence[ServiceDefinition], urls: Mapping[str, str], record: Path) -> list[str]:
    """Bring each schema up to date as its own role; returns the names of the services that were migrated.

    Raises what Alembic or the database raises; a schema that was already brought up stays so.
    """
    recorded = _read(record)
    found = await asyncio.gather(*(current_revisions(each, urls[each.name]) for each in definitions))
    wanted = {each.name: scripts_digest(each) for each in definitions}
    stale = [
        each
        for each, revisions in zip(definitions, found, strict=True)
        if not revisions or recorded.get(each.name) != {"digest": wanted[each.name], "revisions": revisions}
    ]
    if not stale:
        return []
    # One after the other in one thread: Alembic keeps its context in module globals.
    await asyncio.to_thread(_upgrade, stale, urls)
    for each in stale:
        revisions = await current_revisions(each, urls[each.name])
        recorded[each.name] = {"digest": wanted[each.name], "revisions": revisions}
        _log.info("schema_migrated", service=each.name, schema=each.schema, revisions=revisions)
    private_folder(record.parent)
    write_private(record, json.dumps(recorded))
    return [each.name for each in stale]


def _upgrade(definitions: Sequence[ServiceDefinition], urls: Mapping[str, str]) -> None:
    from kgents_shared.db import migrations  # noqa: PLC0415 - Alembic takes a tenth of a second to load

    for each in definitions:
        migrations.upgrade(each, urls[each.name])


def _read(record: Path) -> dict[str, Any]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
