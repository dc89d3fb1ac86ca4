"""Gemini, by LangChain's `ChatGoogleGenerativeAI`."""

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from pydantic import SecretStr

from agent_worker.providers.door_call import BASE_URL, NO_KEY
from agent_worker.providers.over_httpx import DoorTransport


def open_model(model: str) -> BaseChatModel:
    """The chat model. One try means none again: that is the gateway's business."""
    return ChatGoogleGenerativeAI(
        model=model,
        google_api_key=SecretStr(NO_KEY),
        base_url=BASE_URL,
        max_retries=1,
        vertexai=False,
        client_args={"transport": DoorTransport(), "trust_env": False},
    )
