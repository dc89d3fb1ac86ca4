"""A run's model on a provider's own wire, with the one call that the loop takes of every model."""

from collections.abc import AsyncGenerator, AsyncIterator
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, Protocol, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGenerationChunk

from agent_worker.chat_model import DoorChatModel
from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.logs import write_log
from agent_worker.providers.door_call import CURRENT_CALL, DoorCall
from agent_worker.tool_names import ToolNames
from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.worker import ModelChoice

_OWN_WIRES: Final = {name: f"agent_worker.providers.{name}" for name in ("anthropic", "google", "ollama")}


def preload(llm: LlmSpec) -> None:
    """Import what the models of this definition need, which takes a second that no message should wait for."""
    named = {llm.provider, *(fallback.provider for fallback in llm.fallbacks)}
    for provider, module in _OWN_WIRES.items():
        if provider in named:
            import_module(module)


def import_all() -> None:
    """The same for all providers that there are."""
    for module in _OWN_WIRES.values():
        import_module(module)


class PiecesModel(Protocol):
    """What the loop asks: text in pieces as it is read; tool calls and usage in the last one."""

    def pieces(
        self, messages: list[BaseMessage], tools: list[dict[str, Any]], **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """The answer. `tools` and `options` (`response_format`) as OpenAI's wire has them. Raises `RunFailed`."""
        ...


def model_of(choice: ModelChoice, place: int, door: RunDoor, names: ToolNames) -> PiecesModel:
    """The model of a run: the first of its models, or the fallback at that place."""
    if choice.provider in _OWN_WIRES:
        return ProviderModel(choice, place, door, names)
    return DoorChatModel(door=door, choice=choice, names=names, place=place)


@lru_cache(maxsize=16)
def _opened(provider: str, model: str) -> BaseChatModel:
    """One chat model for all runs of a process: it knows neither them nor a key."""
    chat: BaseChatModel = import_module(_OWN_WIRES[provider]).open_model(model)
    return chat


class ProviderModel:
    """LangChain's chat model of a provider, asked through the door."""

    def __init__(self, choice: ModelChoice, place: int, door: RunDoor, names: ToolNames) -> None:
        self._choice = choice
        self._place = place
        self._door = door
        self._names = names

    async def pieces(
        self, messages: list[BaseMessage], tools: list[dict[str, Any]], **options: Any
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """See `PiecesModel.pieces`."""
        provider = self._choice.provider
        call = DoorCall(self._door, provider, self._place)
        mark = CURRENT_CALL.set(call)
        whole: AIMessageChunk | None = None
        try:
            chat = _opened(provider, self._choice.model)
            asked = chat.bind_tools(tools, **options) if tools else chat.bind(**options) if options else chat
            async for chunk in asked.astream(self._on_the_wire(messages)):
                piece = cast("AIMessageChunk", chunk)
                whole = piece if whole is None else cast("AIMessageChunk", whole + piece)
                if text := str(piece.text):
                    yield _text(text)
        except RunFailed:
            raise
        except Exception as error:
            if call.failure is not None:
                raise call.failure from error
            write_log("warning", "provider_answer_unreadable", provider=provider, error=repr(error)[:500])
            raise self._garbage() from error
        finally:
            CURRENT_CALL.reset(mark)
        if call.failure is not None:
            raise call.failure
        yield self._last(whole)

    def _on_the_wire(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        """The names of tools as every wire takes them."""
        return [
            AIMessage(
                content=message.content,
                tool_calls=[{**call, "name": self._names.to_wire(call["name"])} for call in message.tool_calls],
            )
            if isinstance(message, AIMessage) and message.tool_calls
            else message
            for message in messages
        ]

    def _last(self, whole: AIMessageChunk | None) -> ChatGenerationChunk:
        if whole is None or whole.invalid_tool_calls:
            raise self._garbage()
        calls = [
            tool_call(name=self._names.from_wire(call["name"]), args=call["args"], id=call["id"])
            for call in whole.tool_calls
        ]
        message = AIMessageChunk(content="", tool_calls=calls, usage_metadata=whole.usage_metadata)
        return ChatGenerationChunk(message=message)

    def _garbage(self) -> RunFailed:
        detail = f"The provider {self._choice.provider} answered with something unreadable."
        return RunFailed("provider_garbage", detail, again=True)


def _text(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text.replace("\x00", "\ufffd")))
