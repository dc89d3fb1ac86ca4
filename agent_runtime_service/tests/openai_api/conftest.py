"""OpenAI's client with the owner's key."""

from collections.abc import AsyncGenerator

import openai
import pytest

from tests.external.running_runtime import Runtime


@pytest.fixture
async def client(runtime: Runtime) -> AsyncGenerator[openai.AsyncOpenAI]:
    key = runtime.issuer.person(runtime.owner)["Authorization"].removeprefix("Bearer ")
    async with openai.AsyncOpenAI(base_url=f"{runtime.front.url}/v1", api_key=key, max_retries=0) as opened:
        yield opened
