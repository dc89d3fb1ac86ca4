"""Migrations of one schema: one at a time, in their own version table, in agreement with the models or told."""

import asyncio
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from alembic.util.exc import CommandError
from fastapi import FastAPI
from psycopg import sql

from kgents_shared.db import migrations
from kgents_shared.db.ids import new_id
from kgents_shared.http.service import ServiceDefinition
from kgents_shared.http.settings import ServiceSettings
from kgents_shared.testing.polling import eventually

ENV = """
from sqlalchemy import Column, Integer, MetaData, Table
from kgents_shared.db import schema_metadata
from kgents_shared.db.migrations import run_env
metadata = schema_metadata("{schema}")
Table("things", metadata, Column("id", Integer, primary_key=True){more})
run_env(metadata)
"""
REVISION = """
import sqlalchemy as sa
from alembic import op
revision = "{number}"
down_revision = {before}
branch_labels = depends_on = None
def upgrade():
    {statement}
"""
CREATE = 'op.create_table("things", sa.Column("id", sa.Integer, primary_key=True), schema="{schema}")'


@dataclass(frozen=True)
class Scratch:
    """A service that is nothing but its migrations."""

    definition: ServiceDefinition
    url: str
    folder: Path

    @property
    def schema(self) -> str:
        return self.definition.schema

    def revise(self, number: str, statement: str, before: str | None = None) -> None:
        text = REVISION.format(number=number, before=repr(before), statement=statement.format(schema=self.schema))
        (self.folder / "alembic" / "versions" / f"{number}.py").write_text(textwrap.dedent(text))

    def model(self, more: str = "") -> None:
        (self.folder / "alembic" / "env.py").write_text(ENV.format(schema=self.schema, more=more))

    async def scalar(self, query: LiteralString, table: str) -> Any:
        statement = sql.SQL(query).format(sql.Identifier(self.schema, table))
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = await (await connection.execute(statement)).fetchone()
        return None if row is None else row[0]

    async def things(self) -> int:
        return await self.scalar("SELECT count(*) FROM {}", "things")

    async def revision(self) -> str:
        return await self.scalar("SELECT version_num FROM {}", "alembic_version")


@pytest.fixture
async def scratch(postgres_admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    schema = f"scratch_{new_id().hex[-8:]}"
    package = tmp_path / "src" / schema
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
    monkeypatch.syspath_prepend(tmp_path / "src")
    definition = ServiceDefinition(schema, schema, schema, ServiceSettings, lambda _: FastAPI())
    async with await psycopg.AsyncConnection.connect(postgres_admin_url, autocommit=True) as connection:
        await connection.execute(f"CREATE SCHEMA {schema}".encode())
    made = Scratch(definition, postgres_admin_url, tmp_path)
    made.model()
    made.revise("1", CREATE)
    return made


async def test_an_upgrade_brings_the_schema_to_the_newest_revision(scratch: Scratch) -> None:
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    assert migrations.is_current(scratch.definition, scratch.url)
    assert await scratch.things() == 0
    assert await scratch.revision() == "1"
    migrations.check(scratch.definition, scratch.url)


async def test_a_new_revision_is_seen_and_applied(scratch: Scratch) -> None:
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    scratch.revise("2", 'op.add_column("things", sa.Column("n", sa.Integer), schema="{schema}")', before="1")
    scratch.model(', Column("n", Integer)')
    assert not migrations.is_current(scratch.definition, scratch.url)
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    assert migrations.is_current(scratch.definition, scratch.url)
    migrations.check(scratch.definition, scratch.url)


async def test_a_role_whose_search_path_is_its_schema_sees_the_same(scratch: Scratch) -> None:
    url = f"{scratch.url}?options=-csearch_path%3D{scratch.schema}"
    await asyncio.to_thread(migrations.upgrade, scratch.definition, url)
    await asyncio.to_thread(migrations.check, scratch.definition, url)
    scratch.model(', Column("forgotten", Integer)')
    with pytest.raises(CommandError, match="forgotten"):
        await asyncio.to_thread(migrations.check, scratch.definition, url)


async def test_models_that_no_migration_makes_are_told(scratch: Scratch) -> None:
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    scratch.model(', Column("forgotten", Integer)')
    with pytest.raises(CommandError, match="forgotten"):
        await asyncio.to_thread(migrations.check, scratch.definition, scratch.url)


async def test_of_upgrades_at_once_each_ends_well_and_each_revision_ran_once(scratch: Scratch) -> None:
    scratch.revise("2", 'op.execute("INSERT INTO {schema}.things VALUES (1)")', before="1")
    upgrades = (asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url) for _ in range(3))
    await asyncio.gather(*upgrades)
    assert migrations.is_current(scratch.definition, scratch.url)
    assert await scratch.things() == 1


async def test_an_upgrade_waits_while_another_process_migrates_the_same_schema(scratch: Scratch) -> None:
    async with await psycopg.AsyncConnection.connect(scratch.url, autocommit=True) as other:
        key = f"kgents.migrate.{scratch.schema}"
        await other.execute("SELECT pg_advisory_lock(hashtext(%s))", (key,))
        upgrade = asyncio.create_task(asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url))

        async def waits() -> bool:
            waiting = await other.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
                " AND objid = (hashtext(%s)::bigint & 4294967295)::oid",
                (key,),
            )
            return await waiting.fetchone() is not None

        await eventually(waits)
        assert not await asyncio.to_thread(migrations.is_current, scratch.definition, scratch.url)
    await upgrade
    assert migrations.is_current(scratch.definition, scratch.url)


async def test_a_failed_revision_leaves_nothing_of_itself(scratch: Scratch) -> None:
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    scratch.revise("2", 'op.execute("INSERT INTO {schema}.things VALUES (1)"); op.execute("SELECT 1/0")', before="1")
    with pytest.raises(Exception, match="division by zero"):
        await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    assert await scratch.things() == 0
    assert await scratch.revision() == "1"


async def test_a_migration_gives_up_on_a_table_that_someone_holds_instead_of_blocking_everybody(
    scratch: Scratch,
) -> None:
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    scratch.revise("2", 'op.add_column("things", sa.Column("n", sa.Integer), schema="{schema}")', before="1")
    async with await psycopg.AsyncConnection.connect(scratch.url) as holder:
        await holder.execute(f"LOCK TABLE {scratch.schema}.things IN ACCESS SHARE MODE".encode())
        with pytest.raises(Exception, match="lock timeout"):
            await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    await asyncio.to_thread(migrations.upgrade, scratch.definition, scratch.url)
    assert migrations.is_current(scratch.definition, scratch.url)
