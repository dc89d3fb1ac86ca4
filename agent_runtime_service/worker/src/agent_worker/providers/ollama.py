"""Local models, by LangChain's `ChatOllama`."""

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_ollama import ChatOllama

from agent_worker.providers.door_call import BASE_URL
from agent_worker.providers.over_httpx import DoorTransport


def open_model(model: str) -> BaseChatModel:
    """The chat model."""
    return ChatOllama(
        model=model,
        base_url=BASE_URL,
        async_client_kwargs={"transport": DoorTransport(), "trust_env": False, "timeout": None},
        sync_client_kwargs={"trust_env": False},
    )
