"""The database away: told at once, mapped to 503, and used again as soon as it is back."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from kgents_shared.db import Database, new_id, open_pool
from kgents_shared.errors.handlers import install_error_handlers
from kgents_shared.testing.polling import eventually
from platform_host.embedded.postgres import EmbeddedPostgres


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncGenerator[EmbeddedPostgres]:
    async with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server


@pytest.fixture
async def database(postgres_admin_url: str) -> AsyncGenerator[Database]:
    database = Database(postgres_admin_url)
    yield database
    await database.close()


def client_over(database: Database, pool: Any) -> AsyncClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/session")
    async def by_session() -> int:
        async with database.transaction() as session:
            return (await session.execute(text("SELECT 1"))).scalar_one()

    @app.get("/pool")
    async def by_pool() -> int:
        async with pool.connection(timeout=1) as connection:
            row = await (await connection.execute("SELECT 1")).fetchone()
        return row[0]

    @app.get("/wrong")
    async def wrong() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT :prompt FROM nowhere"), {"prompt": "a secret prompt"})

    return AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


async def test_a_database_that_is_away_is_503_with_retry_after_until_it_is_back(
    own_postgres: EmbeddedPostgres,
) -> None:
    database = Database(own_postgres.url)
    async with open_pool(own_postgres.url, min_size=1) as pool, client_over(database, pool) as client:
        assert (await client.get("/session")).json() == 1
        assert (await client.get("/pool")).json() == 1
        assert await database.answers()
        await own_postgres.stop()
        assert not await database.answers()
        for path in ("/session", "/pool"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
            assert answer.headers["retry-after"] == "1"
        await own_postgres.start()

        async def well_again() -> bool:
            statuses = [(await client.get(path)).status_code for path in ("/session", "/pool")]
            return statuses == [200, 200]

        await eventually(well_again)
        assert await database.answers()
    await database.close()


async def test_a_pool_with_no_connection_left_is_503_too(postgres_admin_url: str) -> None:
    database = Database(postgres_admin_url, pool_size=1)
    async with open_pool(postgres_admin_url, max_size=2) as pool, client_over(database, pool) as client:
        async with pool.connection(), pool.connection():
            answer = await client.get("/pool")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
    await database.close()


async def test_a_database_that_never_was_there_does_not_answer() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    assert not await database.answers()
    await database.close()


async def test_a_wrong_statement_is_500_without_a_word_of_it(database: Database) -> None:
    async with client_over(database, None) as client:
        with capture_logs() as logs:
            answer = await client.get("/wrong")
    assert [entry["event"] for entry in logs] == ["unexpected_error"]
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "nowhere" not in answer.text


async def test_an_error_never_carries_the_parameters_of_its_statement(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT :prompt FROM nowhere"), {"prompt": "a secret prompt"})

    with pytest.raises(DBAPIError) as caught:
        await fail()
    assert "a secret prompt" not in str(caught.value)


async def test_a_transaction_is_committed_when_the_block_ends_well_and_only_then(database: Database) -> None:
    kept = Table(f"kept_{new_id().hex}", MetaData(), Column("n", Integer))
    async with database.engine.begin() as connection:
        await connection.run_sync(kept.create)

    async def insert_one(number: int, *, fail: bool) -> None:
        async with database.transaction() as session:
            await session.execute(insert(kept).values(n=number))
            if fail:
                raise LookupError

    await insert_one(1, fail=False)
    with pytest.raises(LookupError):
        await insert_one(2, fail=True)
    async with database.transaction() as session:
        assert (await session.scalars(select(kept.c.n))).all() == [1]


async def test_ids_are_in_the_order_of_their_making() -> None:
    made = [new_id() for _ in range(2000)]
    assert made == sorted(set(made))
    assert {value.version for value in made} == {7}


async def test_many_at_once_share_the_pool(database: Database) -> None:
    async def one(number: int) -> int:
        async with database.transaction() as session:
            return (await session.execute(text("SELECT CAST(:number AS int)"), {"number": number})).scalar_one()

    assert await asyncio.gather(*(one(number) for number in range(40))) == list(range(40))


async def test_a_reader_asks_without_a_transaction_around_it(database: Database) -> None:
    async with database.reading() as session:
        first, second = [(await session.execute(text("SELECT now()"))).scalar_one() for _ in range(2)]
    assert first < second
    async with database.transaction() as session:
        first, second = [(await session.execute(text("SELECT now()"))).scalar_one() for _ in range(2)]
    assert first == second
