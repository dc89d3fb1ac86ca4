"""The model behind the door: a script, or the provider that a server started here would use."""

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from agent_runtime_service.gateway.accounts import KINDS, model_defaults, operators_accounts, operators_providers
from agent_runtime_service.gateway.choice import ModelDefaults
from agent_runtime_service.gateway.http_provider import ProviderLimits
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
    """The model as the worker is told it, where none answers: the script is on OpenAI's wire, whoever it stands for."""
    return ModelDefaults("openai", "scripted").choose(llm).model_copy(update={"provider": "openai"})


def real_choice(llm: LlmSpec, env: Mapping[str, str]) -> ModelChoice:
    """The model that a server with these settings takes for this agent."""
    accounts = operators_accounts(env.get)
    return model_defaults(accounts, env.get("OPENAI_MODEL") or DEFAULT_MODEL).choose(llm)


async def open_real_model(stack: AsyncExitStack, choice: ModelChoice, env: Mapping[str, str]) -> Provider:
    """The provider of that model, open as long as `stack`; `BadInput` where nothing says how to reach it."""
    accounts = operators_accounts(env.get)
    account = accounts.get(choice.provider)
    if choice.provider != "echo" and (account is None or not account.is_set):
        raise BadInput(
            f"no setting says how to reach a real model of the provider {choice.provider}",
            hint=f"set {KINDS[choice.provider].how or 'OPENAI_BASE_URL, and name openai as the provider'}",
        )
    session = await stack.enter_async_context(
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar())
    )
    return operators_providers(accounts, session, ProviderLimits())[choice.provider]
