"""The agent loop: model, tools, model, until there is an answer. The front keeps every step (DESIGN §6)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import uuid4

import orjson
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from agent_worker.chat_model import wire_tools
from agent_worker.conversation import Conversation
from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.models import Models
from agent_worker.structured import AnswerForm
from agent_worker.tool_names import ToolNames
from agent_worker.window import CONTEXT_TOO_LONG, ContextWindow, TokenGauge, summary_prompt
from kgents_shared.contracts.worker import (
    DeltaEvent,
    FinalEvent,
    Message,
    ResetEvent,
    RunRequest,
    ToolCall,
    WorkerEvent,
)
from kgents_shared.remembering import FACTS_SHARE
from kgents_shared.token_counting import tokens_of_text

Emit = Callable[[WorkerEvent], Awaitable[None]]
Answer = Callable[[RunRequest, RunDoor, Emit], Awaitable[FinalEvent]]
"""How an agent does a run. It raises `RunFailed`, and is cancelled where the run is."""
_MODEL_TRIES = 2
_NOT_DONE = "The caller did not carry this out."
_FORM_OR_TOOLS = frozenset({"google", "ollama"})


class AgentLoop:
    """One run of one agent. The prompt is data: nothing in it is a template. `gauge` is what its worker has learnt."""

    def __init__(
        self, system_prompt: str, run: RunRequest, door: RunDoor, emit: Emit, gauge: TokenGauge | None = None
    ) -> None:
        tools = (*run.tools, *run.client_tools)
        names = ToolNames(tool.name for tool in tools)
        self._callers = {tool.name for tool in run.client_tools}
        if taken := sorted(self._callers & {tool.name for tool in run.tools}):
            raise RunFailed(
                "function_name_taken", f"The agent has tools of its own named {', '.join(taken)}.", status=422
            )
        self._run = run
        self._door = door
        self._emit = emit
        self._tools = wire_tools(tools, names)
        self._model = Models(run, door, names)
        self._form = AnswerForm(run.answer_schema) if run.answer_schema is not None else None
        self._system = SystemMessage(system_prompt if self._form is None else f"{system_prompt}\n\n{self._form.told}")
        self._gauge = gauge or TokenGauge()
        self._conversation = Conversation(run.messages, run.remembered, run.window_tokens // FACTS_SHARE)
        # The echo is no language model, and an agent elsewhere remembers by itself.
        summarise = None if run.llm.provider in {"echo", "remote"} else self._summary
        self._window = ContextWindow(self._conversation, run.window_tokens, door, self._gauge, summarise)
        self._transcript = self._shown()
        self._overhead = tokens_of_text(system_prompt) + (
            tokens_of_text(orjson.dumps(self._tools).decode()) if self._tools else 0
        )
        self._call_ids = {call.id for message in run.messages for call in message.tool_calls}
        self._steps = _steps_since_question(run.messages)

    async def finish(self) -> FinalEvent:
        """Go on after the last stored step until the model answers; raises `RunFailed`."""
        await self._call_tools(_unanswered(self._run.messages))
        while self._steps < self._run.max_steps:
            self._steps += 1
            text, asked = await self._ask()
            calls = tuple(call for call in asked if call.name not in self._callers)
            if asked and not calls:
                return FinalEvent(text=text, tool_calls=asked)
            # Beside calls of its own those of the caller's are left: the model asks for them again when it has these.
            if not calls:
                return FinalEvent(text=text if self._form is None else await self._formed(self._form, text))
            message = Message(role="assistant", text=text, tool_calls=calls)
            await self._door.store_step(message)
            self._add(message)
            await self._call_tools(calls)
        raise RunFailed("max_steps_reached", f"The agent found no answer within its {self._run.max_steps} steps.")

    async def _formed(self, form: AnswerForm, text: str) -> str:
        """The answer's JSON; a model that gave another form is told so, once."""
        found, faults = form.read(text)
        if faults:
            await self._emit(ResetEvent())
            again = [AIMessage(text), HumanMessage(form.again(faults))]
            found, faults = form.read((await self._ask(again))[0])
        if faults:
            raise form.failed(faults)
        return found

    async def _ask(self, besides: Sequence[BaseMessage] = ()) -> tuple[str, tuple[ToolCall, ...]]:
        if await self._window.fit():
            self._transcript = self._shown()
        tries = 1
        while True:
            try:
                return await self._ask_once(besides)
            except RunFailed as failed:
                if tries < _MODEL_TRIES and await self._may_again(failed):
                    tries += 1
                elif self._model.turn_to_next(failed):
                    tries = 1
                else:
                    raise
            await self._emit(ResetEvent())

    async def _may_again(self, failed: RunFailed) -> bool:
        """Whether the same call may be made once more; one that was too long is made shorter for it."""
        if failed.code != CONTEXT_TOO_LONG:
            return failed.again
        is_shorter = await self._window.shrink()
        self._transcript = self._shown()
        return is_shorter

    async def _ask_once(self, besides: Sequence[BaseMessage]) -> tuple[str, tuple[ToolCall, ...]]:
        """Ask for the next step, or with what stands `besides` the transcript for nothing but an answer."""
        tools, options = self._tools, dict[str, Any]()
        if self._form is not None:
            # Some take no form beside tools: there the words in the prompt must do, until it is asked for again.
            takes_both = self._model.choice.provider not in _FORM_OR_TOOLS
            tools = [] if besides and not takes_both else tools
            options = {"response_format": self._form.asked} if takes_both or not tools else {}
        asked = [*self._transcript, *besides] if besides else self._transcript
        pieces: list[str] = []
        message = AIMessageChunk(content="")
        async for chunk in self._model.pieces(asked, tools, **options):
            message = cast("AIMessageChunk", chunk.message)
            if text := str(message.content):
                pieces.append(text)
                await self._emit(DeltaEvent(text=text, step=self._steps))
        if message.usage_metadata is not None:
            self._gauge.learn(self._overhead + self._conversation.tokens, message.usage_metadata["input_tokens"])
        calls = tuple(
            ToolCall(id=self._fresh_id(call["id"]), name=call["name"], arguments=call["args"])
            for call in message.tool_calls
        )
        return "".join(pieces), calls

    def _fresh_id(self, given: str | None) -> str:
        """An id of its own for each call: some servers number the calls anew in every answer."""
        call_id = given if given and len(given) <= 128 and given not in self._call_ids else f"call_{uuid4().hex}"
        self._call_ids.add(call_id)
        return call_id

    async def _call_tools(self, calls: tuple[ToolCall, ...]) -> None:
        for call in calls:
            result = await self._door.call_tool(call.id, call.name, call.arguments)
            self._add(Message(role="tool", text=result.content, tool_call_id=call.id, is_error=result.is_error))

    def _add(self, message: Message) -> None:
        self._conversation.add(message)
        self._transcript.append(_for_langchain(message))

    def _shown(self) -> list[BaseMessage]:
        return [self._system, *_with_all_results(self._conversation.shown())]

    async def _summary(self, text: str, words: int) -> str:
        """What the agent's own model makes of what falls out of its window."""
        asked: list[BaseMessage] = [SystemMessage(summary_prompt(words)), HumanMessage(text)]
        pieces = [str(chunk.message.content) async for chunk in self._model.pieces(asked, [])]
        return "".join(pieces)


def _with_all_results(messages: Sequence[Message]) -> list[BaseMessage]:
    """The messages; where a caller went on without the results of its functions, the model is told so."""
    shown: list[BaseMessage] = []
    waiting: dict[str, None] = {}
    for message in messages:
        if message.role == "tool":
            waiting.pop(message.tool_call_id or "", None)
        elif waiting and message.role == "user":
            shown += [ToolMessage(_NOT_DONE, tool_call_id=call_id) for call_id in waiting]
            waiting = {}
        for call in message.tool_calls:
            waiting[call.id] = None
        shown.append(_for_langchain(message))
    return shown


def _for_langchain(message: Message) -> BaseMessage:
    if message.role == "user":
        return HumanMessage(_with_images(message) if message.images else message.text)
    if message.role == "tool":
        return ToolMessage(message.text, tool_call_id=message.tool_call_id or "")
    calls = [tool_call(name=call.name, args=call.arguments, id=call.id) for call in message.tool_calls]
    return AIMessage(message.text, tool_calls=calls)


def _with_images(message: Message) -> list[str | dict[str, Any]]:
    """The parts of OpenAI's wire, which LangChain's classes bring onto their providers' own."""
    urls = [f"data:{image.media_type};base64,{image.data}" for image in message.images]
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"type": "text", "text": message.text}, *pictures]


def _steps_since_question(messages: tuple[Message, ...]) -> int:
    """The model calls of this run that are stored already: its messages follow the last of the user's."""
    steps = 0
    for message in reversed(messages):
        if message.role == "user":
            break
        steps += message.role == "assistant"
    return steps


def _unanswered(messages: tuple[Message, ...]) -> tuple[ToolCall, ...]:
    """Calls at the transcript's end that have no result yet: the run was interrupted there."""
    answered: set[str | None] = set()
    for message in reversed(messages):
        if message.role != "tool":
            return tuple(call for call in message.tool_calls if call.id not in answered)
        answered.add(message.tool_call_id)
    return ()
