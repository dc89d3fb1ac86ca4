"""Claude, by LangChain's `ChatAnthropic`."""

from functools import cached_property

import anthropic
import httpx2
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import SecretStr

from agent_worker.providers.door_call import BASE_URL, NO_KEY
from agent_worker.providers.over_httpx2 import DoorTransport


class _DoorAnthropic(ChatAnthropic):
    @cached_property
    def _async_client(self) -> anthropic.AsyncClient:
        client = httpx2.AsyncClient(transport=DoorTransport(), trust_env=False, base_url=BASE_URL, timeout=None)
        return anthropic.AsyncClient(api_key=NO_KEY, base_url=BASE_URL, max_retries=0, http_client=client)


def open_model(model: str) -> BaseChatModel:
    """The chat model; what it says of limits is put right behind the door."""
    return _DoorAnthropic(model_name=model, api_key=SecretStr(NO_KEY), max_retries=0, stream_usage=True)  # pyright: ignore[reportCallIssue] -- its other fields have defaults
