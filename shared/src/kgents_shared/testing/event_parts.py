"""An outbox with nothing around it, and relays and consumers over it, for tests of what events promise."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from pydantic import BaseModel
from sqlalchemy import Table
from sqlalchemy.schema import CreateTable

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.db import Database, schema_metadata
from kgents_shared.events import (
    ConsumerSpec,
    DurableConsumer,
    EventBus,
    OutboxRelay,
    add_to_outbox,
    make_event,
    outbox_table,
)
from kgents_shared.http.background import BackgroundTasks


class Fact(BaseModel):
    """What such an event tells: a thing and its generation."""

    thing: str
    generation: int


@dataclass
class Outbox:
    """A schema of its own that holds only an outbox."""

    database: Database
    schema: str
    table: Table
    relays: list[OutboxRelay] = field(default_factory=list[OutboxRelay])

    async def tell(self, *facts: Fact) -> list[CloudEvent]:
        """Commit one event a fact, all in one transaction, and wake the relays."""
        events = [make_event(self.schema, "thing.changed", fact.thing, fact) for fact in facts]
        async with self.database.transaction() as session:
            for event in events:
                await add_to_outbox(session, self.table, event)
        for relay in self.relays:
            relay.wake()
        return events

    async def count(self) -> int:
        """How many events wait."""
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(self.schema, "outbox"))
        async with await psycopg.AsyncConnection.connect(self.database.url) as connection:
            row = await (await connection.execute(query)).fetchone()
        return 0 if row is None else row[0]


@asynccontextmanager
async def open_outbox(url: str) -> AsyncGenerator[Outbox]:
    """A fresh outbox; `url` is a role's that may make schemas."""
    schema = f"outbox_{secrets.token_hex(4)}"
    table = outbox_table(schema_metadata(schema))
    database = Database(url)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        await connection.execute(str(CreateTable(table).compile(database.engine.sync_engine)).encode())
    try:
        yield Outbox(database, schema, table)
    finally:
        await database.close()


@dataclass
class Parts:
    """Starts relays and consumers of an outbox as tasks."""

    outbox: Outbox
    tasks: BackgroundTasks

    def relay(self, bus: EventBus) -> OutboxRelay:
        """A relay that runs, and that `Outbox.tell` wakes."""
        relay = OutboxRelay(self.outbox.database.url, self.outbox.schema, bus)
        self.outbox.relays.append(relay)
        self.tasks.start("relay", relay.run)
        return relay

    def consumer(
        self, bus: EventBus, handler: Callable[[CloudEvent], Awaitable[None]], *, max_tries: int = 3
    ) -> ConsumerSpec:
        """A running consumer of all the outbox's events under a name of its own."""
        subjects = (f"kgents.{self.outbox.schema}.>",)
        spec = ConsumerSpec(f"durable_{secrets.token_hex(4)}", subjects, max_tries=max_tries, ack_wait_s=2)
        self.tasks.start("consumer", DurableConsumer(bus, spec, handler).run)
        return spec
