"""An agent elsewhere that is spoken to as a model: OpenAI's chat completions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from agent_runtime_service.gateway.http_provider import HttpProvider
from agent_runtime_service.gateway.providers import ProviderAnswer
from agent_runtime_service.remote.asking import without_prompt


class OpenAiAgent:
    """The messages go on as they are, without our prompt."""

    def __init__(self, provider: HttpProvider) -> None:
        self.name = provider.name
        self._provider = provider

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """See `Provider.complete`."""
        async with self._provider.complete(without_prompt(request), time_left_s) as answer:
            yield answer
