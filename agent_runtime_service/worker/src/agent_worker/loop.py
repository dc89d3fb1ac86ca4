"""The agent loop: model, tools, model, until there is an answer. The front keeps every step (DESIGN §6)."""

from collections.abc import Awaitable, Callable
from typing import cast
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from agent_worker.chat_model import DoorChatModel, wire_tools
from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from agent_worker.tool_names import ToolNames
from kgents_shared.contracts.worker import (
    DeltaEvent,
    FinalEvent,
    Message,
    ResetEvent,
    RunRequest,
    ToolCall,
    WorkerEvent,
)

Emit = Callable[[WorkerEvent], Awaitable[None]]
Answer = Callable[[RunRequest, RunDoor, Emit], Awaitable[FinalEvent]]
"""How an agent does a run. It raises `RunFailed`, and is cancelled where the run is."""
_MODEL_TRIES = 2


class AgentLoop:
    """One run of one agent. The prompt is data: nothing in it is a template."""

    def __init__(self, system_prompt: str, run: RunRequest, door: RunDoor, emit: Emit) -> None:
        names = ToolNames(tool.name for tool in run.tools)
        self._run = run
        self._door = door
        self._emit = emit
        self._tools = wire_tools(run.tools, names)
        self._model = DoorChatModel(door=door, choice=run.llm, names=names)
        self._transcript: list[BaseMessage] = [SystemMessage(system_prompt), *map(_for_langchain, run.messages)]
        self._call_ids = {call.id for message in run.messages for call in message.tool_calls}

    async def finish(self) -> FinalEvent:
        """Go on after the last stored step until the model answers; raises `RunFailed`."""
        steps = _steps_since_question(self._run.messages)
        await self._call_tools(_unanswered(self._run.messages))
        while steps < self._run.max_steps:
            steps += 1
            text, calls = await self._ask()
            if not calls:
                return FinalEvent(text=text)
            message = Message(role="assistant", text=text, tool_calls=calls)
            await self._door.store_step(message)
            self._transcript.append(_for_langchain(message))
            await self._call_tools(calls)
        raise RunFailed("max_steps_reached", f"The agent found no answer within its {self._run.max_steps} steps.")

    async def _ask(self) -> tuple[str, tuple[ToolCall, ...]]:
        tries = 1
        while True:
            try:
                return await self._ask_once()
            except RunFailed as failed:
                if not failed.again or tries == _MODEL_TRIES:
                    raise
            tries += 1
            await self._emit(ResetEvent())

    async def _ask_once(self) -> tuple[str, tuple[ToolCall, ...]]:
        pieces: list[str] = []
        message = AIMessageChunk(content="")
        async for chunk in self._model.pieces(self._transcript, self._tools):
            message = cast("AIMessageChunk", chunk.message)
            if text := str(message.content):
                pieces.append(text)
                await self._emit(DeltaEvent(text=text))
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
            self._transcript.append(ToolMessage(result.content, tool_call_id=call.id))


def _for_langchain(message: Message) -> BaseMessage:
    if message.role == "user":
        return HumanMessage(message.text)
    if message.role == "tool":
        return ToolMessage(message.text, tool_call_id=message.tool_call_id or "")
    calls = [tool_call(name=call.name, args=call.arguments, id=call.id) for call in message.tool_calls]
    return AIMessage(message.text, tool_calls=calls)


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
