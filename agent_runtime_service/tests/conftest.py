"""The runtime on a real database, with real workers, a model server and siblings that follow the contracts."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pydantic import SecretStr

from agent_runtime_service.main import SERVICE
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.running_runtime import Runtime, running_runtime
from tests.external.runtime_process import FrontNursery
from tests.external.runtime_siblings import RuntimeSiblings
from tests.external.worker_nursery import WorkerNursery

MakeSettings = Callable[..., RuntimeSettings]
StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture(scope="session")
async def database_url(migrated_database: Callable[[Any], Awaitable[str]]) -> str:
    return await migrated_database(SERVICE)


@pytest.fixture(scope="session")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture(scope="session")
async def nursery() -> AsyncGenerator[WorkerNursery]:
    async with WorkerNursery() as running:
        yield running


@pytest.fixture(scope="session")
async def front_nursery() -> AsyncGenerator[FrontNursery]:
    async with FrontNursery() as running:
        yield running


@pytest.fixture
async def model() -> AsyncGenerator[ModelServer]:
    async with ModelServer(api_key="sk-canary-key") as server:
        yield server


@pytest.fixture
async def siblings() -> AsyncGenerator[RuntimeSiblings]:
    async with RuntimeSiblings() as server:
        yield server


@pytest.fixture
def make_settings(
    database_url: str, nats_server: Any, model: ModelServer, siblings: RuntimeSiblings, monkeypatch: pytest.MonkeyPatch
) -> MakeSettings:
    """Settings for short tests: leases and waits of a second or so, and no more looking around than that takes."""
    for provider in ("OPENAI", "ANTHROPIC", "GOOGLE", "OLLAMA", "LOCALAI"):
        for name in ("BASE_URL", "API_KEY", "MODEL"):
            monkeypatch.delenv(f"{provider}_{name}", raising=False)

    def make(**changes: Any) -> RuntimeSettings:
        values: dict[str, Any] = {
            "database_url": SecretStr(database_url),
            "nats_url": nats_server.url,
            "nats_token": SecretStr(nats_server.token),
            "client_secret": SecretStr("for-this-test-only"),
            "auth_url": siblings.url,
            "management_url": siblings.url,
            "tools_url": siblings.url,
            "deployment_url": siblings.url,
            "governance_url": siblings.url,
            "openai_base_url": model.base_url,
            "openai_api_key": SecretStr("sk-canary-key"),
            "default_model": "fake-model",
            "lease_s": 1.5,
            "recovery_every_s": 0.5,
            "approvals_every_s": 0.4,
            "starting_wait_s": 0.3,
            "shutdown_patience_s": 2.0,
            "hot_pool_size": 4,
        }
        return RuntimeSettings(**(values | changes))

    return make


@pytest.fixture
def start_runtime(make_settings: MakeSettings, issuer: TokenIssuer, nursery: WorkerNursery) -> StartRuntime:
    """`async with start_runtime(openai_base_url=None) as runtime`: a front with settings of the test's own."""

    def start(**changes: Any) -> AbstractAsyncContextManager[Runtime]:
        return running_runtime(make_settings(**changes), issuer, nursery)

    return start


@pytest.fixture
async def runtime(start_runtime: StartRuntime) -> AsyncGenerator[Runtime]:
    """A front whose default model is the model server's."""
    async with start_runtime() as running:
        yield running
