"""One running platform for the end-to-end suite, with a model server that speaks OpenAI's wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform
from tests.external.langflow import ENVIRONMENT

MODEL_KEY = "sk-canary-Zk3u8Qw1x7"


@pytest.fixture(scope="session")
async def model() -> AsyncGenerator[ModelServer]:
    """The far side: a model server that demands its key."""
    async with ModelServer(api_key=MODEL_KEY) as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh_model(model: ModelServer) -> None:
    model.reset()


@pytest.fixture(scope="session")
def model_environment(model: ModelServer) -> dict[str, str]:
    """What makes that model server a platform's default provider."""
    return {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_API_KEY": MODEL_KEY,
        "OPENAI_MODEL": "fake-model",
        "TOOLS_SSRF_ALLOWED_HOSTS": '["127.0.0.1"]',
        "RUNTIME_SSRF_ALLOWED_HOSTS": "127.0.0.1, localhost",
        "DEPLOYMENT_LANGFLOW_DIR": str(ENVIRONMENT),
        "AUTH_ERASE_AGAIN_AFTER_S": "1",
    }


@pytest.fixture(scope="package")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, model_environment: dict[str, str]
) -> AsyncGenerator[RunningPlatform]:
    """The platform with that model server as its default provider. It ends with this folder's tests: even idle it asks
    its database some times a second, beside all that comes after.
    """
    async with RunningPlatform(tmp_path_factory.mktemp("e2e") / "home", model_environment) as running:
        yield running


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncGenerator[httpx.AsyncClient]:
    """The admin's HTTP client."""
    async with await platform.client() as opened:
        yield opened
