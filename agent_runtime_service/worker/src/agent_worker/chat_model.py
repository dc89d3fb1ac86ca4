"""The worker's LangChain chat model: OpenAI's wire, spoken through the door, and nothing more.

It is a real `BaseChatModel`; the loop takes `pieces`, which spares the callbacks that nobody listens to.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import aiohttp
import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict

from agent_worker.completion import Completion
from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.tool_names import ToolNames
from kgents_shared.contracts.worker import ModelChoice, ToolDefinition

_ROLES = {"human": "user", "system": "system", "ai": "assistant", "tool": "tool"}


class DoorChatModel(BaseChatModel):
    """One run's model. Text comes in pieces as it is read; tool calls come whole, in the last chunk.

    Raises `RunFailed` with the provider named. The synchronous side is not offered.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    door: RunDoor
    choice: ModelChoice
    names: ToolNames
    place: int = 0

    def pieces(
        self, messages: list[BaseMessage], tools: list[dict[str, Any]], **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """What `astream` gives, without its callbacks; `tools` and `options` are on the wire's form already."""
        if tools:
            options["tools"] = tools
        return self._astream(messages, **options)

    @property
    def _llm_type(self) -> str:
        return "kgents-door"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """LangChain's tools on this wire. Their names must be among `names` or need no mending."""
        wire = [convert_to_openai_tool(tool) for tool in tools]
        extra = kwargs if tool_choice is None else {**kwargs, "tool_choice": tool_choice}
        return cast("Runnable[LanguageModelInput, AIMessage]", self.bind(tools=wire, **extra))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("the door is asynchronous: use ainvoke or astream")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text, last = "", AIMessageChunk(content="")
        async for chunk in self._astream(messages, stop, run_manager, **kwargs):
            last = cast("AIMessageChunk", chunk.message)
            text += str(last.content)
        message = AIMessage(content=text, tool_calls=last.tool_calls, usage_metadata=last.usage_metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        provider = self.choice.provider
        completion = Completion(provider)
        body = self._body(messages, stop, kwargs)
        async with self.door.completion(provider, body, self.place) as answer:
            if answer.content_type == "text/event-stream":
                async for data in answer.content.iter_any():
                    if text := completion.feed(data):
                        yield _chunk(text)
                last_text = completion.close()
            else:
                last_text = completion.whole(await _read_whole(answer, provider))
        yield self._last(last_text, completion)

    def _body(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> bytes:
        body: dict[str, Any] = {
            "model": self.choice.model,
            "messages": [self._on_the_wire(message) for message in messages],
            "stream": True,
            **options,
        }
        if stop:
            body["stop"] = stop
        return orjson.dumps(body)

    def _on_the_wire(self, message: BaseMessage) -> dict[str, Any]:
        wire: dict[str, Any] = {"role": _ROLES[message.type], "content": message.content}
        if isinstance(message, ToolMessage):
            wire["tool_call_id"] = message.tool_call_id
        elif isinstance(message, AIMessage) and message.tool_calls:
            wire["tool_calls"] = [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {
                        "name": self.names.to_wire(call["name"]),
                        "arguments": orjson.dumps(call["args"]).decode(),
                    },
                }
                for call in message.tool_calls
            ]
        return wire

    def _last(self, text: str, completion: Completion) -> ChatGenerationChunk:
        calls = [
            self._tool_call(call.id, call.name, call.arguments) for _, call in sorted(completion.tool_calls.items())
        ]
        message = AIMessageChunk(
            content=text,
            tool_calls=calls,
            usage_metadata=_usage(completion.usage),
            response_metadata={"finish_reason": completion.finish_reason},
        )
        return ChatGenerationChunk(message=message)

    def _tool_call(self, call_id: str, name: str, arguments: str) -> ToolCall:
        try:
            parsed = orjson.loads(arguments or "{}")
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict) or not name:
            detail = f"The provider {self.choice.provider} asked for a tool with arguments that are no JSON object."
            raise RunFailed("provider_garbage", detail, again=True)
        return tool_call(name=self.names.from_wire(name), args=cast("dict[str, Any]", parsed), id=call_id or None)


def wire_tools(tools: Sequence[ToolDefinition], names: ToolNames) -> list[dict[str, Any]]:
    """The `tools` of a request on OpenAI's wire."""
    return [
        {
            "type": "function",
            "function": {
                "name": names.to_wire(tool.name),
                "description": tool.description,
                "parameters": tool.input_schema,
            },
        }
        for tool in tools
    ]


def _chunk(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _usage(usage: dict[str, Any] | None) -> UsageMetadata | None:
    if usage is None:
        return None
    spent_in, spent_out = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    return UsageMetadata(input_tokens=spent_in, output_tokens=spent_out, total_tokens=spent_in + spent_out)


async def _read_whole(answer: aiohttp.ClientResponse, provider: str) -> bytes:
    """An answer that isn't streamed, which some servers give whatever they were asked."""
    if answer.content_type != "application/json":
        raise RunFailed("provider_garbage", f"The provider {provider} answered with {answer.content_type}.")
    return await answer.read()
