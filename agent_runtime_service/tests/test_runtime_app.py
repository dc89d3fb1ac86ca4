"""The service as its host sees it: migrations, guarded routes, health, events."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr, ValidationError

from agent_runtime_service.main import SERVICE, create_app
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.auth import internal_routes_without_service, public_routes
from kgents_shared.contracts.events import CloudEvent
from kgents_shared.db import migrations
from kgents_shared.events import EventBus
from kgents_shared.testing.model_server import ModelServer, StatusFault
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime


async def test_models_and_migrations_agree(database_url: str):
    await asyncio.to_thread(migrations.check, SERVICE, database_url)
    assert await asyncio.to_thread(migrations.is_current, SERVICE, database_url)


def test_health_and_the_cards_that_owners_show_alone_are_public(make_settings: Callable[..., RuntimeSettings]):
    app = create_app(make_settings())
    assert public_routes(app) == ["GET /a2a/public/{agent_id}/.well-known/agent-card.json", "GET /health"]
    assert internal_routes_without_service(app) == []


async def test_it_starts_without_its_siblings_and_says_when_the_database_is_away(start_runtime: Any):
    nowhere = "http://127.0.0.1:1"
    away = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    settings = {"database_url": away, "nats_url": "nats://127.0.0.1:1", "auth_url": nowhere, "tools_url": nowhere}
    async with start_runtime(**settings) as runtime:
        answer = await runtime.http.get("/health")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": False}


async def test_health_is_good_with_a_database(runtime: Runtime):
    assert (await runtime.http.get("/health")).json()["status"] == "ok"


@pytest.mark.parametrize(
    ("base_url", "key", "expected"),
    [(None, None, "echo"), (None, "sk-x", "openai"), ("http://127.0.0.1:1/v1", None, "openai")],
)
async def test_the_default_provider_follows_from_what_is_set(
    start_runtime: Any, base_url: str | None, key: str | None, expected: str
):
    secret = SecretStr(key) if key else None
    async with start_runtime(openai_base_url=base_url, openai_api_key=secret, model_retries=0) as runtime:
        gateway = runtime.front.app.state.door.gateway
        from kgents_shared.contracts.agent_spec import LlmSpec  # noqa: PLC0415

        assert gateway.choose(LlmSpec()).provider == expected


def test_the_providers_settings_have_the_names_that_people_know(
    make_settings: Callable[..., RuntimeSettings], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    monkeypatch.setenv("OPENAI_MODEL", "a-model")
    monkeypatch.setenv("RUNTIME_LEASE_S", "33")
    settings = RuntimeSettings(
        database_url=SecretStr("postgresql://x"), nats_url="nats://x", client_secret=SecretStr("x")
    )
    assert settings.openai_base_url == "http://127.0.0.1:9/v1"
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-from-outside"
    assert settings.default_model == "a-model"
    assert settings.lease_s == 33


@pytest.mark.parametrize("given", ["nonsense", "127.0.0.1:8000/v1", "http://", "http://["])
def test_a_model_servers_address_that_is_none_is_refused_at_the_start(
    make_settings: Callable[..., RuntimeSettings], given: str
):
    with pytest.raises(ValidationError, match=r"must be an http or https address|Invalid IPv6 URL"):
        make_settings(openai_base_url=given)


def test_an_empty_address_of_a_model_server_is_none(make_settings: Callable[..., RuntimeSettings]):
    assert make_settings(openai_base_url="").openai_base_url is None


@pytest.fixture
async def bus(nats_server: Any) -> AsyncGenerator[EventBus]:
    async with EventBus(nats_server.url, nats_server.token) as opened:
        yield opened


async def test_the_end_of_each_run_is_told_once_and_without_what_was_said(
    runtime: Runtime, model: ModelServer, bus: EventBus
):
    jetstream = await bus.jetstream()
    subscription = await jetstream.pull_subscribe("kgents.runtime.run.*", durable=f"test-{uuid4().hex}")
    await runtime.add_agent()
    good = await runtime.say("a secret plan")
    model.script(StatusFault(401, "no"))
    bad = await runtime.send("another")
    wanted = {good["run_id"]: "run.completed", bad.json()["run_id"]: "run.failed"}
    told: dict[str, list[str]] = {run_id: [] for run_id in wanted}

    async def all_told() -> bool:
        for message in await subscription.fetch(100, timeout=1):
            event = CloudEvent.model_validate_json(message.data)
            assert "secret plan" not in message.data.decode()
            await message.ack()
            if event.subject in told:
                assert event.data["owner_id"] == runtime.owner
                told[event.subject].append(event.type)
        return all(told.values())

    await eventually(all_told, retry_on=(TimeoutError,))
    assert told == {run_id: [kind] for run_id, kind in wanted.items()}
    await subscription.unsubscribe()


async def test_conversations_survive_a_database_that_cuts_every_connection(
    runtime: Runtime, postgres_admin_url: str, database_url: str
):
    await runtime.add_agent()
    first = await runtime.say("one")
    database = database_url.rsplit("/", 1)[1]
    async with await psycopg.AsyncConnection.connect(postgres_admin_url, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))

    async def answers() -> bool:
        answer = await runtime.send("two", first["conversation_id"])
        assert answer.status_code in {200, 503}
        return answer.status_code == 200

    await eventually(answers, retry_on=(httpx.TransportError,))


async def test_a_run_waits_for_a_database_that_is_cut_off_in_its_middle(
    runtime: Runtime, model: ModelServer, postgres_admin_url: str, database_url: str
):
    await runtime.add_agent()
    database = database_url.rsplit("/", 1)[1]

    async def cut(_: Any) -> str:
        async with await psycopg.AsyncConnection.connect(postgres_admin_url, autocommit=True) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
            )
        return "stored all the same"

    model.script(cut)
    answer = await runtime.say("Hello")
    assert (await runtime.transcript(answer["conversation_id"]))[1] == ("assistant", "stored all the same")
