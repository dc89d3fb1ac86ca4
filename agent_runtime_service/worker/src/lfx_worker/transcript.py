"""The registry's tools as a flow calls them: each call stored at the door first, none made twice."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from agent_worker.door import RunDoor
from agent_worker.failures import RunFailed
from kgents_shared.contracts.worker import Message, RunRequest, ToolCall, ToolCallResult


class RunTools:
    """The tool calls of one run, one after the other.

    A flow that is begun again, since its first worker was lost, begins at its first node: calls that it made already
    are answered from the transcript, in their order, and not made again. `failure` is the door's last refusal.
    """

    def __init__(self, run: RunRequest, door: RunDoor) -> None:
        self.definitions = run.tools
        self.failure: RunFailed | None = None
        self._door = door
        self._one_at_a_time = asyncio.Lock()
        self._calls, self._results = _since_question(run.messages)

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolCallResult:
        """The result of a call; `RunFailed` where the door refuses it."""
        async with self._one_at_a_time:
            try:
                return await self._call(name, arguments)
            except RunFailed as failed:
                self.failure = failed
                raise

    async def _call(self, name: str, arguments: dict[str, Any]) -> ToolCallResult:
        for call in self._calls:
            if call.name == name and call.arguments == arguments:
                self._calls.remove(call)
                return self._results.get(call.id) or await self._made(call)
        await self._finish_what_was_cut_off()
        call = ToolCall(id=f"call_{uuid4().hex}", name=name, arguments=arguments)
        await self._door.store_step(Message(role="assistant", text="", tool_calls=(call,)))
        return await self._made(call)

    async def _finish_what_was_cut_off(self) -> None:
        """The door takes no step while a stored call has no result."""
        for call in self._calls:
            if call.id not in self._results:
                self._results[call.id] = await self._made(call)

    async def _made(self, call: ToolCall) -> ToolCallResult:
        return await self._door.call_tool(call.id, call.name, call.arguments)


def _since_question(messages: Iterable[Message]) -> tuple[list[ToolCall], dict[str, ToolCallResult]]:
    """The calls after the newest message of the user's, and those results that are stored."""
    calls: list[ToolCall] = []
    results: dict[str, ToolCallResult] = {}
    for message in messages:
        if message.role == "user":
            calls, results = [], {}
        elif message.role == "tool" and message.tool_call_id is not None:
            results[message.tool_call_id] = ToolCallResult(content=message.text, is_error=message.is_error)
        calls += message.tool_calls
    return calls, results
