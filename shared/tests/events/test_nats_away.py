"""NATS killed, away, or back without its data: what was committed is delivered, once NATS is there."""

import asyncio
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from uuid import UUID

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.events import EventBus
from kgents_shared.testing.event_parts import Fact, Outbox, Parts
from kgents_shared.testing.polling import eventually
from platform_host.embedded.nats import EmbeddedNats

KILLS = 3


class Effects:
    """A handler that is idempotent by event id, and counts what it was handed."""

    def __init__(self) -> None:
        self.handed: Counter[UUID] = Counter()

    async def __call__(self, event: CloudEvent) -> None:
        self.handed[event.id] += 1

    def all_of(self, told: list[CloudEvent]) -> bool:
        return set(self.handed) >= {event.id for event in told}


async def killed(server: EmbeddedNats) -> None:
    """kill -9, and wait until its supervisor has it running again on the same store."""
    restarts = server.restarts
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await eventually(lambda: server.restarts > restarts and server.state == "ready")


async def test_no_event_is_missing_after_nats_was_killed_again_and_again(
    outbox: Outbox, own_nats: EmbeddedNats, own_bus: EventBus, parts: Parts
) -> None:
    effects = Effects()
    parts.relay(own_bus)
    parts.consumer(own_bus, effects)
    told: list[CloudEvent] = []
    ended = asyncio.Event()

    async def keep_telling() -> None:
        while not ended.is_set():
            told.extend(await outbox.tell(*(Fact(thing="a", generation=len(told)) for _ in range(3))))

    telling = asyncio.create_task(keep_telling())
    for _ in range(KILLS):
        reached = len(told) + 30
        await eventually(lambda count=reached: len(told) >= count)
        await killed(own_nats)
    ended.set()
    await telling
    await eventually(lambda: effects.all_of(told), timeout=60, describe="every event was handed on")

    async def empty() -> bool:
        return await outbox.count() == 0

    await eventually(empty, timeout=60)
    assert set(effects.handed) == {event.id for event in told}


async def test_what_is_committed_while_nats_is_away_is_delivered_when_it_is_back(
    outbox: Outbox, own_nats: EmbeddedNats, own_bus: EventBus, parts: Parts
) -> None:
    effects = Effects()
    parts.relay(own_bus)
    parts.consumer(own_bus, effects)
    before = await outbox.tell(Fact(thing="a", generation=1))
    await eventually(lambda: effects.all_of(before))
    await own_nats.stop()
    during = await outbox.tell(*(Fact(thing="a", generation=number) for number in range(50)))
    assert await outbox.count() >= 50
    await own_nats.start()
    await eventually(lambda: effects.all_of(during), timeout=60)


async def test_relay_and_consumer_may_start_before_nats(
    outbox: Outbox, own_nats: EmbeddedNats, own_bus: EventBus, parts: Parts
) -> None:
    effects = Effects()
    await own_nats.stop()
    parts.relay(own_bus)
    parts.consumer(own_bus, effects)
    told = await outbox.tell(Fact(thing="a", generation=1))
    assert not own_bus.connected
    await own_nats.start()
    await eventually(lambda: effects.all_of(told), timeout=60)
    assert own_bus.connected


async def test_a_consumer_binds_anew_after_the_server_lost_its_data(
    outbox: Outbox, own_nats: EmbeddedNats, own_bus: EventBus, parts: Parts, tmp_path: Path
) -> None:
    effects = Effects()
    parts.relay(own_bus)
    parts.consumer(own_bus, effects)
    before = await outbox.tell(Fact(thing="a", generation=1))
    await eventually(lambda: effects.all_of(before))
    await own_nats.stop()
    shutil.rmtree(tmp_path / "nats" / "jetstream")
    await own_nats.start()
    after = await outbox.tell(Fact(thing="a", generation=2))
    await eventually(lambda: effects.all_of(after), timeout=60)
