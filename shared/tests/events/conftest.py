"""An outbox of its own for each test, and a NATS that may be killed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from kgents_shared.events import EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.event_parts import Outbox, Parts, open_outbox
from platform_host.embedded.nats import EmbeddedNats


@pytest.fixture
async def outbox(postgres_admin_url: str) -> AsyncGenerator[Outbox]:
    async with open_outbox(postgres_admin_url) as outbox:
        yield outbox


@pytest.fixture
async def parts(outbox: Outbox) -> AsyncGenerator[Parts]:
    async with BackgroundTasks() as tasks:
        yield Parts(outbox, tasks)


@pytest.fixture
async def bus(nats_server: Any) -> AsyncGenerator[EventBus]:
    async with EventBus(nats_server.url, nats_server.token) as bus:
        yield bus


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncGenerator[EmbeddedNats]:
    """A NATS for one test alone, started again by itself when it is killed."""
    async with EmbeddedNats(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def own_bus(own_nats: EmbeddedNats) -> AsyncGenerator[EventBus]:
    async with EventBus(own_nats.url, own_nats.token) as bus:
        yield bus
