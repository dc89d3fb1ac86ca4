"""Connections: SQLAlchemy for ordinary requests, a plain psycopg pool where round trips are counted (DESIGN §11)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

_POOL_WAIT_S = 5
HotPool = AsyncConnectionPool[AsyncConnection[TupleRow]]


def sqlalchemy_url(url: str) -> str:
    """`postgresql://…` with the psycopg driver named, as SQLAlchemy wants it."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


class Database:
    """One service's engine and its sessions. A request is one transaction, committed at the edge."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self.engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_POOL_WAIT_S,
            pool_pre_ping=True,
            hide_parameters=True,  # an error that is logged must not carry what people sent
            connect_args={"connect_timeout": 5},
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._readers = async_sessionmaker(self.engine.execution_options(isolation_level="AUTOCOMMIT"))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """A session whose work is committed when the block ends well, and rolled back when it doesn't."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession]:
        """A session for queries alone, each its own transaction: saves the round trips of BEGIN and COMMIT."""
        async with self._readers() as session:
            yield session

    async def answers(self) -> bool:
        """Whether the database answers; the probe behind /health."""
        try:
            async with self.engine.connect():  # asked by that: a connection that was there is tried out (pre-ping)
                return True
        except (SQLAlchemyError, psycopg.Error, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


@asynccontextmanager
async def open_pool(url: str, *, min_size: int = 2, max_size: int = 16) -> AsyncGenerator[HotPool]:
    """A psycopg pool in autocommit, so that a transaction is opened where one is meant.

    It opens without waiting: where the database is away the first use says so.
    """
    pool: HotPool = AsyncConnectionPool(
        url,
        min_size=min_size,
        max_size=max_size,
        timeout=_POOL_WAIT_S,
        reconnect_timeout=0,
        kwargs={"autocommit": True, "prepare_threshold": 1, "connect_timeout": 5},
        open=False,
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close()
