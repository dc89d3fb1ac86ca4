"""State changed means event delivered, and the other way round: over a relay that dies and a NATS that goes away."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from agent_management_service.main import SERVICE, create_app
from agent_management_service.settings import ManagementSettings
from kgents_shared.contracts.events import CloudEvent
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.db import migrations
from kgents_shared.events import ConsumerSpec, DurableConsumer, EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer
from platform_host.embedded.nats import EmbeddedNats

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]


class Deployment:
    """A consumer as the deployment service is one: it applies a state only if its generation is newer."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.state: dict[UUID, PublishedAgent] = {}
        self.effects: defaultdict[UUID, list[int]] = defaultdict(list)

    async def handle(self, event: CloudEvent) -> None:
        agent = PublishedAgent.model_validate(event.data)
        self.events.append(event)
        known = self.state.get(agent.agent_id)
        if known is None or agent.generation > known.generation:
            self.state[agent.agent_id] = agent
            self.effects[agent.agent_id].append(agent.generation)

    def types_of(self, agent_id: str) -> list[str]:
        return [event.type for event in self.events if event.subject == agent_id]

    def desired(self, agent_id: str) -> DesiredState | None:
        known = self.state.get(UUID(agent_id))
        return None if known is None else known.desired


@asynccontextmanager
async def consuming(bus: EventBus) -> AsyncGenerator[Deployment]:
    seen = Deployment()
    spec = ConsumerSpec(f"test_{uuid4().hex[:8]}", ("kgents.agents.agent.*",))
    async with BackgroundTasks() as tasks:
        tasks.start("consumer", DurableConsumer(bus, spec, seen.handle).run)
        yield seen


@pytest.fixture
async def seen(settings: ManagementSettings) -> AsyncGenerator[Deployment]:
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    async with EventBus(settings.nats_url, token) as bus, consuming(bus) as deployment:
        yield deployment


async def test_each_change_of_the_desired_state_is_told_with_all_that_it_takes(
    caller: httpx.AsyncClient, make_agent: MakeAgent, seen: Deployment
) -> None:
    made = await make_agent("told", description="caf\u00e9 \U0001f600")
    path = f"/api/v1/agents/{made['id']}"
    for step in ("publish", "stop", "publish"):
        assert (await caller.post(f"{path}/{step}")).status_code == 200
    await caller.post(f"{path}/rollback", json={"version": 1})
    await caller.delete(path)
    expected = ["agent.published", "agent.stopped", "agent.published", "agent.published", "agent.deleted"]
    await eventually(lambda: Counter(seen.types_of(made["id"])) == Counter(expected))
    first = next(event for event in seen.events if event.subject == made["id"] and event.type == "agent.published")
    agent = PublishedAgent.model_validate(first.data)
    assert (agent.owner_id, agent.name, agent.version) == (made["owner_id"], "told", 1)
    assert agent.spec is not None
    assert agent.spec.model_dump(mode="json") == made["draft"]
    assert (first.source, first.specversion) == ("/kgents/agents", "1.0")
    assert seen.desired(made["id"]) == DesiredState.DELETED
    assert max(seen.effects[UUID(made["id"])]) == 5


async def test_what_changes_nothing_or_fails_tells_nothing(
    caller: httpx.AsyncClient, make_agent: MakeAgent, seen: Deployment
) -> None:
    made = await make_agent("quiet")
    path = "/api/v1/agents/quiet"
    await caller.post(f"{path}/stop")
    await caller.post(f"{path}/rollback", json={"version": 1})
    await caller.put(path, json={"name": "quiet", "system_prompt": "Edited."})
    await caller.post("/api/v1/agents", json={"name": "quiet", "system_prompt": "x"}, params={"publish": "true"})
    await caller.post(f"{path}/publish", json={"version": 1})
    last = await make_agent("loud", publish=True)
    await eventually(lambda: seen.types_of(last["id"]) == ["agent.published"])
    assert seen.types_of(made["id"]) == []


async def test_the_largest_definition_reaches_its_consumers(
    caller: httpx.AsyncClient, make_agent: MakeAgent, seen: Deployment
) -> None:
    prompt = "\U0001f600" * 64_000
    body = f'{{"name": "largest", "system_prompt": "{prompt}"}}'.encode()
    answer = await caller.post(
        "/api/v1/agents", content=body, params={"publish": "true"}, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 201
    agent_id = UUID(answer.json()["id"])
    await eventually(lambda: agent_id in seen.state)
    spec = seen.state[agent_id].spec
    assert spec is not None
    assert spec.system_prompt == prompt


@asynccontextmanager
async def deletes_held(url: str) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
    """While the block runs, a relay's delete waits after its publish. Gives a superuser's connection."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as holder:
        await holder.execute(
            "CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(4242); RETURN OLD; END $$"
        )
        await holder.execute(
            "CREATE TRIGGER hold BEFORE DELETE ON agents.outbox FOR EACH ROW EXECUTE FUNCTION public.hold()"
        )
        await holder.execute("SELECT pg_advisory_lock(4242)")
        try:
            yield holder
        finally:
            await holder.execute("SELECT pg_advisory_unlock(4242)")
            await holder.execute("DROP FUNCTION public.hold() CASCADE")


async def outbox_is_empty(url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute("SELECT count(*) FROM agents.outbox")).fetchone()
    return row == (0,)


async def test_a_relay_killed_between_publish_and_delete_has_each_effect_once(
    make_agent: MakeAgent, seen: Deployment, postgres_admin_url: str, database_url: str
) -> None:
    database = postgres_admin_url.rsplit("/", 1)[0] + "/" + database_url.rsplit("/", 1)[1]
    made: list[dict[str, Any]] = []
    async with deletes_held(database) as holder:
        for kill in range(3):
            made.append(await make_agent(f"killed-{kill}", publish=True))
            await eventually(lambda: all(UUID(agent["id"]) in seen.state for agent in made))
            killed = await holder.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'kgents outbox relay' AND datname = current_database()"
            )
            assert await killed.fetchall() == [(True,)]
        assert not await outbox_is_empty(database)
    await eventually(lambda: outbox_is_empty(database))
    assert [seen.effects[UUID(agent["id"])] for agent in made] == [[1]] * len(made)
    assert [seen.types_of(agent["id"]) for agent in made] == [["agent.published"]] * len(made)


@pytest.fixture
async def own_database_url(postgres_admin_url: str, database_url: str) -> str:
    """A database whose outbox no other relay empties."""
    name = f"management_{uuid4().hex[:8]}"
    server = postgres_admin_url.rsplit("/", 1)[0]
    for url, statement in (
        (postgres_admin_url, f"CREATE DATABASE {name}"),
        (f"{server}/{name}", "CREATE SCHEMA agents AUTHORIZATION agent_management_service"),
    ):
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
            await admin.execute(statement.encode())
    own = database_url.rsplit("/", 1)[0] + "/" + name
    await asyncio.to_thread(migrations.upgrade, SERVICE, own)
    return own


@asynccontextmanager
async def serving(settings: ManagementSettings, issuer: TokenIssuer) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(settings, identity=issuer.identity)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = issuer.person(f"owner-{uuid4().hex}")
        async with httpx.AsyncClient(transport=transport, base_url="http://management", headers=headers) as client:
            yield client


async def test_publishing_answers_without_nats_and_is_told_when_nats_is_back(
    own_database_url: str, settings: ManagementSettings, issuer: TokenIssuer, tmp_path: Path
) -> None:
    async with EmbeddedNats(tmp_path / "nats") as nats:
        own = settings.model_copy(
            update={
                "database_url": SecretStr(own_database_url),
                "nats_url": nats.url,
                "nats_token": SecretStr(nats.token),
            }
        )
        async with serving(own, issuer) as client, EventBus(nats.url, nats.token) as bus, consuming(bus) as seen:
            query, body = {"publish": "true"}, {"system_prompt": "You help."}
            before = await client.post("/api/v1/agents", params=query, json={"name": "before", **body})
            await eventually(lambda: seen.desired(before.json()["id"]) == DesiredState.RUNNING)
            await nats.stop()
            during = await client.post("/api/v1/agents", params=query, json={"name": "during", **body})
            stopped = await client.post("/api/v1/agents/before/stop")
            assert (during.status_code, stopped.status_code) == (201, 200)
            assert (await client.get("/health")).json() == {
                "status": "ok",
                "service": "management",
                "parts": {"database": True},
            }
            await nats.start()
            await eventually(lambda: seen.desired(during.json()["id"]) == DesiredState.RUNNING, timeout=60)
            await eventually(lambda: seen.desired(before.json()["id"]) == DesiredState.STOPPED, timeout=60)
            await eventually(lambda: outbox_is_empty(own_database_url), timeout=60)


async def test_without_a_database_the_service_says_so_and_waits(
    settings: ManagementSettings, issuer: TokenIssuer
) -> None:
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    async with serving(away, issuer) as client:
        answer = await client.get("/api/v1/agents")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
        assert answer.headers["retry-after"] == "1"
        health = await client.get("/health")
        assert (health.status_code, health.json()["parts"]) == (503, {"database": False})
