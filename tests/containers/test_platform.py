"""The real host on a PostgreSQL and a NATS in containers, named by DATABASE_URL, NATS_URL and NATS_TOKEN."""

from __future__ import annotations

from pathlib import Path

import psycopg

from kgents_shared.events import STREAM, EventBus
from platform_host.embedded.provision import DATABASE, url_with
from tests.containers.conftest import NatsInContainer
from tests.e2e.running_platform import RunningPlatform, publish_agent


async def test_an_agent_is_published_and_answers_on_servers_in_containers(
    tmp_path: Path, container_postgres_url: str, container_nats: NatsInContainer
) -> None:
    environment = {
        "DATABASE_URL": container_postgres_url,
        "NATS_URL": container_nats.url,
        "NATS_TOKEN": container_nats.token,
    }
    home = tmp_path / "home"
    async with RunningPlatform(home, environment) as platform, await platform.client() as client:
        published = await publish_agent(client, "in-containers")
        answer = await client.post("/agents/in-containers/message", json={"text": "Hello from a container"})
        assert answer.status_code == 200, answer.text
        assert "Hello from a container" in answer.text
        assert not await platform.processes("postgres")
        assert not await platform.processes("nats")
        assert not (home / "postgres").exists()
        assert not (home / "nats").exists()
    inside = url_with(container_postgres_url, database=DATABASE)
    async with await psycopg.AsyncConnection.connect(inside) as connection:
        found = await connection.execute("SELECT id::text FROM agents.agents WHERE name = 'in-containers'")
        assert await found.fetchall() == [(published["id"],)]
    async with EventBus(container_nats.url, container_nats.token) as bus:
        state = (await (await bus.jetstream()).stream_info(STREAM)).state
    assert state.messages >= 1
