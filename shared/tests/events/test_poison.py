"""An event that can't be handled is set aside; the others go on."""

from uuid import UUID

import psycopg
import pytest
from nats.js.errors import NotFoundError

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.errors import Unavailable
from kgents_shared.events import STREAM, ConsumerSpec, EventBus
from kgents_shared.testing.event_parts import Fact, Outbox, Parts
from kgents_shared.testing.polling import eventually


async def buried(bus: EventBus, spec: ConsumerSpec) -> tuple[bytes, dict[str, str]] | None:
    """The newest dead letter of a durable."""
    jetstream = await bus.jetstream()
    try:
        message = await jetstream.get_last_msg(STREAM, f"kgents.dead.{spec.durable}")
    except NotFoundError:
        return None
    return message.data or b"", message.headers or {}


async def first_buried(bus: EventBus, spec: ConsumerSpec) -> tuple[bytes, dict[str, str]]:
    async def there() -> bool:
        return await buried(bus, spec) is not None

    await eventually(there)
    found = await buried(bus, spec)
    assert found is not None
    return found


async def test_an_event_that_always_fails_ends_as_a_dead_letter_and_the_next_is_handled(
    outbox: Outbox, bus: EventBus, parts: Parts
) -> None:
    tries: list[UUID] = []
    handled: list[UUID] = []

    async def refuses_the_first_thing(event: CloudEvent) -> None:
        if event.subject == "poison":
            tries.append(event.id)
            raise LookupError("never")
        handled.append(event.id)

    parts.relay(bus)
    spec = parts.consumer(bus, refuses_the_first_thing, max_tries=3)
    poison, good = await outbox.tell(Fact(thing="poison", generation=1), Fact(thing="good", generation=1))
    await eventually(lambda: handled == [good.id])
    data, headers = await first_buried(bus, spec)
    assert CloudEvent.model_validate_json(data) == poison
    assert headers["Kgents-Error"] == "LookupError"
    assert headers["Kgents-Subject"] == f"kgents.{outbox.schema}.thing.changed"
    assert tries == [poison.id] * 3


@pytest.mark.parametrize("body", [b"", b"not json", b"{}", b'{"id": 1}', b"\xff\x00", b"[" * 100_000])
async def test_what_is_no_event_is_buried_at_once(outbox: Outbox, bus: EventBus, parts: Parts, body: bytes) -> None:
    handled: list[UUID] = []

    async def handle(event: CloudEvent) -> None:
        handled.append(event.id)

    spec = parts.consumer(bus, handle)
    jetstream = await bus.jetstream()
    await jetstream.publish(f"kgents.{outbox.schema}.thing.changed", body, stream=STREAM)
    data, headers = await first_buried(bus, spec)
    assert (data, headers["Kgents-Error"]) == (body, "ValidationError")
    assert handled == []


@pytest.mark.parametrize("fault", [psycopg.OperationalError("away"), Unavailable("away")], ids=["database", "sibling"])
async def test_an_event_is_not_poison_because_something_else_is_away(
    outbox: Outbox, bus: EventBus, parts: Parts, fault: Exception
) -> None:
    tries = 0

    async def away_at_first(_: CloudEvent) -> None:
        nonlocal tries
        tries += 1
        if tries <= 4:
            raise fault

    parts.relay(bus)
    spec = parts.consumer(bus, away_at_first, max_tries=2)
    await outbox.tell(Fact(thing="a", generation=1))
    await eventually(lambda: tries == 5)
    assert await buried(bus, spec) is None


async def test_an_event_too_large_for_nats_keeps_back_none_of_the_others(
    outbox: Outbox, bus: EventBus, parts: Parts
) -> None:
    handled: list[UUID] = []

    async def handle(event: CloudEvent) -> None:
        handled.append(event.id)

    parts.consumer(bus, handle)
    huge, good = await outbox.tell(Fact(thing="x" * 2_000_000, generation=1), Fact(thing="good", generation=1))
    parts.relay(bus)
    await eventually(lambda: handled == [good.id])
    assert await outbox.count() == 0
    letter = await (await bus.jetstream()).get_last_msg(STREAM, "kgents.dead.outbox")
    assert letter.data == str(huge.id).encode()
    assert (letter.headers or {})["Kgents-Subject"] == f"kgents.{outbox.schema}.thing.changed"
