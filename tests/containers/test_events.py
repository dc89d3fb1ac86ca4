"""Outbox, relay and durable consumer over a NATS in a container, that is started again in the middle."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.events import EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.event_parts import Fact, Outbox, Parts, open_outbox
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from platform_host.embedded.provision import DATABASE, provision, url_with
from tests.containers.conftest import NatsInContainer

# A connection that the engine's proxy takes while the server is away is dropped by nats-py without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")

# How `docker restart` ends the server: gently, or as a crash would.
PATIENCES = pytest.mark.parametrize("patience_s", [10, 0], ids=["sigterm", "sigkill"])


@pytest.fixture
async def outbox(container_postgres_url: str, tmp_path: Path) -> AsyncGenerator[Outbox]:
    await provision(container_postgres_url, [], tmp_path / "secrets")
    async with open_outbox(url_with(container_postgres_url, database=DATABASE)) as outbox:
        yield outbox


@pytest.fixture
async def parts(outbox: Outbox) -> AsyncGenerator[Parts]:
    async with BackgroundTasks() as tasks:
        yield Parts(outbox, tasks)


@pytest.fixture
async def bus(container_nats: NatsInContainer) -> AsyncGenerator[EventBus]:
    async with EventBus(container_nats.url, container_nats.token) as bus:
        yield bus
    gc.collect()  # so that no other file's test is told of it


async def drained(outbox: Outbox) -> None:
    async def empty() -> bool:
        return await outbox.count() == 0

    await eventually(empty, timeout=60, describe="the outbox is empty")


async def test_the_server_syncs_each_message_to_its_disk(container_nats: NatsInContainer) -> None:
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as client:
        said = (await client.get(f"{container_nats.monitor_url}/jsz", params={"config": "true"})).json()
    assert said["config"]["sync_always"] is True


async def test_a_committed_event_comes_as_it_was_written(outbox: Outbox, bus: EventBus, parts: Parts) -> None:
    seen: list[CloudEvent] = []

    async def keep(event: CloudEvent) -> None:
        seen.append(event)

    parts.relay(bus)
    parts.consumer(bus, keep)
    told = await outbox.tell(Fact(thing="caf\u00e9 \U0001f600", generation=1))
    await eventually(lambda: seen == told)
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
    told = [event.id for event in await outbox.tell(Fact(thing="before", generation=0))]
    await eventually(lambda: bool(seen), describe="the first event came")
    restarting = asyncio.create_task(container_nats.restart(patience_s))
    while not restarting.done() or len(told) < 100:
        told += [event.id for event in await outbox.tell(Fact(thing="meanwhile", generation=len(told)))]
    await restarting
    told += [event.id for event in await outbox.tell(Fact(thing="after", generation=len(told)))]
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


async def test_nobody_gets_in_without_the_token(container_nats: NatsInContainer) -> None:
    address = urlsplit(container_nats.url)
    said: dict[str, bytes] = {}
    for token in ("guessed", container_nats.token):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        assert (await reader.readline()).startswith(b"INFO ")
        writer.write(f'CONNECT {{"auth_token":"{token}","verbose":false}}\r\nPING\r\n'.encode())
        said[token] = (await reader.readline()).strip()
        writer.close()
        await writer.wait_closed()
    assert said == {"guessed": b"-ERR 'Authorization Violation'", container_nats.token: b"PONG"}
