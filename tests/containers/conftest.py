"""A PostgreSQL with pgvector and a NATS with JetStream in containers of their own, one a test file."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from platform_host.embedded.ports import choose_port
from tests.containers.engine import ROOT, compose_service, require

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_READY_S = 60
_NATS_CONFIGURATION = ROOT / "infrastructure" / "nats.conf"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, with time for pulling two images."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="module")
def container_postgres_url() -> Generator[str]:
    """A superuser's `postgresql://` URL of a PostgreSQL in a container."""
    override = "KGENTS_TEST_POSTGRES_IMAGE"
    service = compose_service("postgres", override)
    require(service, override)
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 -- once an engine answers

    password = secrets.token_hex(16)
    container = PostgresContainer(service.image, username="postgres", password=password, dbname="postgres", driver=None)
    for key, value in service.environment.items():
        container.with_env(key, value)
    with container:
        yield container.get_connection_url()


@dataclass(frozen=True, slots=True)
class NatsInContainer:
    """A NATS as docker-compose.yml starts it, that can be started again."""

    container: DockerContainer
    url: str
    token: str

    @property
    def monitor_url(self) -> str:
        """Its monitoring listener; another address after a restart."""
        return f"http://{self.container.get_container_host_ip()}:{self.container.get_exposed_port(8222)}"

    async def restart(self, patience_s: int) -> None:
        """`docker restart`: SIGTERM, and SIGKILL after `patience_s` seconds (0: at once)."""
        await asyncio.to_thread(self.container.get_wrapped_container().restart, timeout=patience_s)


@pytest.fixture(scope="module")
def container_nats() -> Generator[NatsInContainer]:
    """A NATS in a container, with the project's own configuration: JetStream, each message synced to disk."""
    override = "KGENTS_TEST_NATS_IMAGE"
    service = compose_service("nats", override)
    require(service, override)
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 -- once an engine answers
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    token = secrets.token_hex(16)
    port = choose_port()  # one of ours: a restarted container gets another where the engine chose
    container = (
        DockerContainer(service.image)
        .with_command(service.command)
        .with_env("NATS_TOKEN", token)
        .with_copy_into_container(_NATS_CONFIGURATION, service.command[-1])
        .with_bind_ports(4222, port)
        .with_exposed_ports(8222)
        .waiting_for(LogMessageWaitStrategy("Server is ready").with_startup_timeout(_READY_S))
    )
    with container:
        yield NatsInContainer(container, f"nats://{container.get_container_host_ip()}:{port}", token)
