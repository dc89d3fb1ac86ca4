"""The model behind the door: a script, or the provider that a server started here would use."""

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from agent_runtime_service.gateway.choice import ModelDefaults, default_provider
from agent_runtime_service.gateway.echo import EchoProvider
from agent_runtime_service.gateway.openai import DEFAULT_BASE_URL, OpenAiLimits, OpenAiProvider
from agent_runtime_service.gateway.providers import EVENT_STREAM, Provider, ProviderAnswer
from agent_runtime_service.settings import DEFAULT_MODEL
from agent_worker.tool_names import ToolNames
from kgents_cli.faults import BadInput
from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import BadGateway
from kgents_shared.scenarios.files import Reply


class ScriptedModel:
    """Gives the replies of one turn, one for each time that it is asked."""

    name = "scripted"

    def __init__(self, replies: Sequence[Reply], offered: Iterable[str]) -> None:
        self._left = deque(reply for reply in replies for _ in range(reply.times))
        self._asked = 0
        self._offered = set(offered)
        self._names = ToolNames(offered)

    @property
    def unused(self) -> int:
        """How many replies nobody asked for."""
        return len(self._left)

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """The next reply as a stream; `BadGateway` where there is none."""
        self._asked += 1
        if not self._left:
            said = self._asked - 1
            detail = (
                f"The model was asked {self._asked} times; the scenario has {said} repl{'y' if said == 1 else 'ies'}."
            )
            raise BadGateway(detail, code="script_ended")
        yield ProviderAnswer(EVENT_STREAM, self._stream(self._left.popleft(), request["messages"]))

    async def _stream(self, reply: Reply, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[bytes]:
        if reply.text:
            yield _event({"choices": [{"index": 0, "delta": {"content": reply.text}}]})
        for index, call in enumerate(reply.calls):
            # A name that was not offered reaches the loop as the script says it.
            name = self._names.to_wire(call.tool) if call.tool in self._offered else call.tool
            function = {"name": name, "arguments": json.dumps(call.arguments, default=str)}
            wire = {"index": index, "id": f"call_{self._asked}_{index}", "type": "function", "function": function}
            yield _event({"choices": [{"index": 0, "delta": {"tool_calls": [wire]}}]})
        reason = "tool_calls" if reply.calls else "stop"
        yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        yield _event({"choices": [], "usage": _usage(reply, messages)}) + b"data: [DONE]\n\n"


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _usage(reply: Reply, messages: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The tokens that the script says, else words."""
    if reply.tokens is not None:
        return {"prompt_tokens": reply.tokens.prompt, "completion_tokens": reply.tokens.completion}
    spoken = [reply.text, *(json.dumps(call.arguments, default=str) for call in reply.calls)]
    return {
        "prompt_tokens": sum(len(str(message.get("content") or "").split()) for message in messages),
        "completion_tokens": sum(len(text.split()) for text in spoken),
    }


def scripted_choice(llm: LlmSpec) -> ModelChoice:
    """The model's name as the worker is told it, where no model answers."""
    return ModelDefaults("openai", "scripted").choose(llm)


def real_choice(llm: LlmSpec, env: Mapping[str, str]) -> ModelChoice:
    """The model that a server with these settings takes for this agent."""
    provider = default_provider(env.get("OPENAI_API_KEY"), env.get("OPENAI_BASE_URL"))
    return ModelDefaults(provider, env.get("OPENAI_MODEL") or DEFAULT_MODEL).choose(llm)


async def open_real_model(stack: AsyncExitStack, choice: ModelChoice, env: Mapping[str, str]) -> Provider:
    """The provider of that model, open as long as `stack`; `BadInput` where nothing says how to reach it."""
    if choice.provider == "echo":
        return EchoProvider()
    key, base_url = env.get("OPENAI_API_KEY"), env.get("OPENAI_BASE_URL")
    if choice.provider != "openai" or not (key or base_url):
        raise BadInput(
            f"no setting says how to reach a real model of the provider {choice.provider}",
            hint="set OPENAI_API_KEY, or OPENAI_BASE_URL for another server that speaks its wire",
        )
    session = await stack.enter_async_context(
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar())
    )
    return OpenAiProvider(session, base_url or DEFAULT_BASE_URL, key, OpenAiLimits())
