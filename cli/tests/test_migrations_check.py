"""`alembic check` for a service: quiet where models and migrations agree, a sentence where they don't."""

from __future__ import annotations

from uuid import uuid4

import psycopg
from psycopg import sql

from auth_service.main import SERVICE
from kgents_cli.checks.migrations import disagreements


async def test_a_column_that_no_model_knows_is_a_disagreement(postgres_admin_url: str):
    name = f"lint_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(postgres_admin_url, autocommit=True) as admin:
        await admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = f"{postgres_admin_url.rpartition('/')[0]}/{name}"
    assert await disagreements(url, [SERVICE]) == []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        found = await admin.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename NOT LIKE 'alembic%%'",
            (SERVICE.schema,),
        )
        [table, *_] = [str(row[0]) for row in await found.fetchall()]
        where = sql.Identifier(SERVICE.schema, table)
        await admin.execute(sql.SQL("ALTER TABLE {} ADD COLUMN unknown integer").format(where))
    [fault] = await disagreements(url, [SERVICE])
    assert fault.startswith(f"auth (schema {SERVICE.schema}): ")
    assert "unknown" in fault
