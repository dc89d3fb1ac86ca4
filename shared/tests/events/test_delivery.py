"""State changed means event delivered, and the other way round, on a PostgreSQL and a NATS that stay up."""

import asyncio
import statistics
import time
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.db import new_id
from kgents_shared.events import STREAM, ConsumerSpec, DurableConsumer, EventBus, add_to_outbox, make_event
from kgents_shared.testing.event_parts import Fact, Outbox, Parts
from kgents_shared.testing.polling import eventually


class Seen:
    """A handler that keeps what it was handed."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.at: dict[UUID, float] = {}

    async def __call__(self, event: CloudEvent) -> None:
        self.at.setdefault(event.id, time.perf_counter())
        self.events.append(event)

    def ids(self) -> list[UUID]:
        return [event.id for event in self.events]


async def drained(outbox: Outbox) -> None:
    async def empty() -> bool:
        return await outbox.count() == 0

    await eventually(empty, describe="the outbox is empty")


async def test_a_committed_event_comes_as_it_was_written(outbox: Outbox, bus: EventBus, parts: Parts) -> None:
    seen = Seen()
    parts.relay(bus)
    parts.consumer(bus, seen)
    told = await outbox.tell(Fact(thing="caf\u00e9 \U0001f600", generation=1))
    await eventually(lambda: seen.events == told)
    await drained(outbox)


async def test_an_event_of_a_transaction_that_fails_is_never_told(outbox: Outbox, bus: EventBus, parts: Parts) -> None:
    seen = Seen()
    parts.relay(bus)
    parts.consumer(bus, seen)

    async def fails_after_telling() -> None:
        async with outbox.database.transaction() as session:
            event = make_event(outbox.schema, "thing.changed", "a", Fact(thing="a", generation=1))
            await add_to_outbox(session, outbox.table, event)
            raise LookupError

    with pytest.raises(LookupError):
        await fails_after_telling()
    (after,) = await outbox.tell(Fact(thing="a", generation=2))
    await eventually(lambda: seen.ids() == [after.id])


async def test_two_relays_of_one_outbox_tell_each_event_once(outbox: Outbox, bus: EventBus, parts: Parts) -> None:
    seen = Seen()
    parts.relay(bus)
    parts.relay(bus)
    parts.consumer(bus, seen)
    told = [await outbox.tell(*(Fact(thing="a", generation=number) for number in range(100))) for _ in range(4)]
    expected = [event.id for batch in told for event in batch]
    await eventually(lambda: len(seen.events) >= len(expected))
    await drained(outbox)
    assert sorted(seen.ids()) == sorted(expected)


async def test_a_relay_killed_between_publish_and_delete_tells_nothing_twice(
    outbox: Outbox, bus: EventBus, parts: Parts, postgres_admin_url: str
) -> None:
    seen = Seen()
    parts.consumer(bus, seen)
    told = await outbox.tell(*(Fact(thing="a", generation=number) for number in range(5)))
    async with await psycopg.AsyncConnection.connect(postgres_admin_url) as holder:
        # The rows are held, so the relay publishes and then waits with its delete.
        held = sql.SQL("SELECT id FROM {} FOR UPDATE").format(sql.Identifier(outbox.schema, "outbox"))
        await holder.execute(held)
        parts.relay(bus)
        await eventually(lambda: sorted(seen.ids()) == [event.id for event in told])
        killed = await holder.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND starts_with(query, 'DELETE') AND strpos(query, %s) > 0",
            (outbox.schema,),
        )
        assert await killed.fetchall() == [(True,)]
    assert await outbox.count() == 5
    await drained(outbox)
    (last,) = await outbox.tell(Fact(thing="a", generation=99))
    await eventually(lambda: last.id in seen.ids())
    assert sorted(seen.ids()) == [*(event.id for event in told), last.id]


async def test_a_consumer_that_dies_before_its_ack_gets_the_event_again(
    outbox: Outbox, bus: EventBus, parts: Parts
) -> None:
    tries: list[UUID] = []

    async def dies_once(event: CloudEvent) -> None:
        tries.append(event.id)
        if len(tries) == 1:
            raise asyncio.CancelledError

    spec = ConsumerSpec(f"durable_{new_id().hex}", (f"kgents.{outbox.schema}.>",), ack_wait_s=1)
    consumer = DurableConsumer(bus, spec, dies_once)
    parts.relay(bus)
    (told,) = await outbox.tell(Fact(thing="a", generation=1))
    with pytest.raises(asyncio.CancelledError):
        await consumer.run()
    parts.tasks.start("again", consumer.run)
    await eventually(lambda: tries == [told.id, told.id])


async def test_doubled_and_reordered_events_leave_the_newest_generation(
    outbox: Outbox, bus: EventBus, parts: Parts
) -> None:
    applied: dict[str, list[int]] = {"a": [], "b": []}
    handled = 0

    async def apply_newer(event: CloudEvent) -> None:
        nonlocal handled
        handled += 1
        fact = Fact.model_validate(event.data)
        if not applied[fact.thing] or fact.generation > applied[fact.thing][-1]:
            applied[fact.thing].append(fact.generation)

    parts.consumer(bus, apply_newer)
    jetstream = await bus.jetstream()
    order = [3, 1, 3, 5, 2, 5, 4, 1]
    for generation in order:
        for thing in applied:
            event = make_event(outbox.schema, "thing.changed", thing, Fact(thing=thing, generation=generation))
            await jetstream.publish(
                f"kgents.{outbox.schema}.thing.changed", event.model_dump_json().encode(), stream=STREAM
            )
    await eventually(lambda: handled == 2 * len(order))
    assert applied == {"a": [3, 5], "b": [3, 5]}


async def test_how_long_from_commit_to_handler(outbox: Outbox, bus: EventBus, parts: Parts) -> None:
    seen = Seen()
    parts.relay(bus)
    parts.consumer(bus, seen)
    waits: list[float] = []
    for number in range(30):
        (event,) = await outbox.tell(Fact(thing="a", generation=number))
        committed = time.perf_counter()
        await eventually(lambda told=event: told.id in seen.at, interval=0.001)
        waits.append((seen.at[event.id] - committed) * 1000)
    waits.sort()
    print(f"\noutbox commit to handler: p50 {statistics.median(waits):.1f} ms, worst {waits[-1]:.1f} ms")  # noqa: T201
    assert len(seen.events) == 30
