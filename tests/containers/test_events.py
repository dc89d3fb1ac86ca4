"""Outbox, relay and durable consumer over a NATS in a container, that is started again in the middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

import httpx
import pytest
from nats.errors import Error as NatsError

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.events import STREAM, EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.event_parts import Fact, Outbox, Parts, open_outbox
from kgents_shared.testing.polling import eventually
from tests.containers.conftest import NatsInContainer

# How `docker restart` ends the server: gently, or as a crash would.
PATIENCES = pytest.mark.parametrize("patience_s", [10, 0], ids=["sigterm", "sigkill"])


@pytest.fixture
async def outbox(container_postgres_url: str) -> AsyncGenerator[Outbox]:
    async with open_outbox(container_postgres_url) as outbox:
        yield outbox


@pytest.fixture
async def parts(outbox: Outbox) -> AsyncGenerator[Parts]:
    async with BackgroundTasks() as tasks:
        yield Parts(outbox, tasks)


@pytest.fixture
async def bus(container_nats: NatsInContainer) -> AsyncGenerator[EventBus]:
    async with EventBus(container_nats.url, container_nats.token) as bus:
        yield bus


async def drained(outbox: Outbox) -> None:
    async def empty() -> bool:
        return await outbox.count() == 0

    await eventually(empty, timeout=60, describe="the outbox is empty")


async def test_the_server_syncs_each_message_to_its_disk(container_nats: NatsInContainer) -> None:
    async with httpx.AsyncClient() as client:
        said = (await client.get(f"{container_nats.monitor_url}/jsz", params={"config": "true"})).json()
    assert said["config"]["sync_always"] is True


async def test_a_committed_event_comes_as_it_was_written(outbox: Outbox, bus: EventBus, parts: Parts) -> None:
    seen: list[CloudEvent] = []

    async def keep(event: CloudEvent) -> None:
        seen.append(event)

    parts.relay(bus)
    parts.consumer(bus, keep)
    told = await outbox.tell(Fact(thing="caf\u00e9 \U0001f600", generation=1))
    await eventually(lambda: seen == told, timeout=30)
    await drained(outbox)


@PATIENCES
async def test_no_event_is_lost_when_nats_restarts_in_the_middle(
    container_nats: NatsInContainer, outbox: Outbox, bus: EventBus, parts: Parts, patience_s: int
) -> None:
    seen: set[UUID] = set()

    async def keep(event: CloudEvent) -> None:
        seen.add(event.id)

    parts.relay(bus)
    parts.consumer(bus, keep)
    told = [event.id for event in await outbox.tell(*(Fact(thing="a", generation=n) for n in range(300)))]
    await eventually(lambda: bool(seen), timeout=30, describe="the first event came")
    await container_nats.restart(patience_s)
    for number in range(20):
        told += [event.id for event in await outbox.tell(Fact(thing="b", generation=number))]
    await eventually(lambda: seen == set(told), timeout=60, describe="every event came")
    await drained(outbox)


@PATIENCES
async def test_what_nats_acknowledged_outlives_its_restart(
    container_nats: NatsInContainer, outbox: Outbox, bus: EventBus, parts: Parts, patience_s: int
) -> None:
    parts.relay(bus)
    told = await outbox.tell(*(Fact(thing="a", generation=number) for number in range(50)))
    await drained(outbox)
    await container_nats.restart(patience_s)
    seen: list[UUID] = []

    async def keep(event: CloudEvent) -> None:
        seen.append(event.id)

    parts.consumer(bus, keep)
    await eventually(lambda: len(seen) >= len(told), timeout=60, describe="every event came")
    assert sorted(seen) == sorted(event.id for event in told)


async def test_nobody_gets_in_without_the_token(container_nats: NatsInContainer, bus: EventBus) -> None:
    assert (await (await bus.jetstream()).stream_info(STREAM)).config.name == STREAM
    async with EventBus(container_nats.url, "guessed") as stranger:
        with pytest.raises((NatsError, TimeoutError), match=r"(?i)authorization"):
            await stranger.jetstream()
