"""The one way to a tool (DESIGN §7): permission → arguments → row → call → size → row."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from kgents_shared.contracts.tool_patterns import decide
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.db import new_id
from tool_registry_service import heavy_imports
from tool_registry_service.errors import DefinitionChanged, IdempotencyKeyReused, SchemaTooComplex, ToolCallFault
from tool_registry_service.invocation.masking import fingerprint, masked
from tool_registry_service.invocation.presence import RunnerPresence
from tool_registry_service.invocation.repository import (
    CallableTool,
    Ending,
    InvocationRepository,
    NewInvocation,
    StoredInvocation,
)
from tool_registry_service.invocation.result_size import cut_to
from tool_registry_service.mcp_client.pool import SessionPool

_log = structlog.get_logger("kgents.tools.invocation")
_POLL_S = 0.05
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class InvocationLimits:
    """`denied`: the operator's patterns; `max_result_bytes`: what a model is given at most."""

    denied: Sequence[str]
    max_result_bytes: int


@dataclass(slots=True)
class _Outcome:
    outcome: str
    is_error: bool
    text: str


class InvocationService:
    """Makes tool calls, each at most once by its idempotency key."""

    def __init__(
        self, rows: InvocationRepository, presence: RunnerPresence, sessions: SessionPool, limits: InvocationLimits
    ) -> None:
        self._rows = rows
        self._presence = presence
        self._sessions = sessions
        self._limits = limits
        self._running: dict[tuple[str, str], tuple[str, asyncio.Task[ToolCallResult]]] = {}

    async def invoke(self, call: InvokeToolRequest) -> ToolCallResult:
        """The result of a call, or the sentence that says why there is none (`is_error`).

        The call goes on if the caller goes away, so that its end is stored.

        Raises:
            IdempotencyKeyReused: the key was used for another call.
            Unavailable: the call could not be recorded, and so was not made.
        """
        mark = fingerprint(call.name, call.arguments)
        key = (call.owner_id, call.idempotency_key)
        running = self._running.get(key)
        if running is None:
            task = asyncio.create_task(self._invoke_once(call, mark), name=f"tool-call {call.name}")
            running = self._running[key] = (mark, task)
            task.add_done_callback(lambda _: self._running.pop(key, None))
        if running[0] != mark:
            raise _key_reused()
        return await asyncio.shield(running[1])

    async def _invoke_once(self, call: InvokeToolRequest, mark: str) -> ToolCallResult:
        runner = await self._presence.runner()
        new = NewInvocation(
            id=new_id(), owner_id=call.owner_id, agent_id=call.agent_id, run_id=call.run_id,
            tool_call_id=call.tool_call_id, idempotency_key=call.idempotency_key, tool=call.name,
            arguments=masked(call.arguments), fingerprint=mark, runner=runner, started_at=datetime.now(UTC),
        )  # fmt: skip
        if await self._rows.claim(new):
            return await self._make(call, new.id, runner)
        return await self._known(call, mark, runner)

    async def _known(self, call: InvokeToolRequest, mark: str, runner: UUID) -> ToolCallResult:
        """The result of a call that was begun before, here or elsewhere."""
        while True:
            stored = await self._rows.stored(call.owner_id, call.idempotency_key)
            if stored is None or stored.fingerprint != mark:
                raise _key_reused()
            if stored.outcome != "running":
                return ToolCallResult(content=stored.result or "", is_error=bool(stored.is_error))
            # Calls that this process still makes are shared in `invoke`: its own row here is one that was cut off.
            if stored.runner == runner or not await self._presence.is_alive(stored.runner):
                return await self._after_death(call, stored, runner)
            await asyncio.sleep(_POLL_S)

    async def _after_death(self, call: InvokeToolRequest, stored: StoredInvocation, runner: UUID) -> ToolCallResult:
        """The process that made the call is gone: only a tool without effects outside is called again."""
        if not await self._rows.take_over(stored.id, from_runner=stored.runner, to_runner=runner):
            return await self._known(call, stored.fingerprint, runner)
        tool = await self._rows.tool(call.owner_id, call.name)
        if tool is not None and tool.side_effect == "none":
            return await self._make(call, stored.id, runner)
        text = (
            f"The call of {call.name} was interrupted; whether it took effect is not known. "
            "It is not repeated by itself: check before calling again."
        )
        return await self._finish(call, stored.id, runner, _Outcome("unknown", True, text), 0.0)

    async def _make(self, call: InvokeToolRequest, invocation_id: UUID, runner: UUID) -> ToolCallResult:
        began = time.monotonic()
        outcome = await self._outcome(call)
        latency_ms = (time.monotonic() - began) * 1000
        _log.info(
            "tool_called", tool=call.name, agent_id=str(call.agent_id), run_id=str(call.run_id),
            outcome=outcome.outcome, latency_ms=round(latency_ms, 1),
        )  # fmt: skip
        return await self._finish(call, invocation_id, runner, outcome, latency_ms)

    async def _finish(
        self, call: InvokeToolRequest, invocation_id: UUID, runner: UUID, outcome: _Outcome, latency_ms: float
    ) -> ToolCallResult:
        text = cut_to(outcome.text, self._limits.max_result_bytes)
        size = len(outcome.text.encode())
        ending = Ending(outcome.outcome, outcome.is_error, text, size, latency_ms)
        if not await self._rows.finish(invocation_id, runner, ending):
            # This process was taken for dead, and the call was given an ending: that one holds.
            _log.warning("tool_call_ended_late", invocation_id=str(invocation_id), outcome=outcome.outcome)
            return await self._known(call, fingerprint(call.name, call.arguments), runner)
        return ToolCallResult(content=text, is_error=outcome.is_error)

    async def _outcome(self, call: InvokeToolRequest) -> _Outcome:
        permitted = decide(call.name, allow=call.allow, deny=call.deny, denied_here=self._limits.denied)
        if not permitted.allowed:
            return _Outcome("denied", True, permitted.reason)
        tool = await self._rows.tool(call.owner_id, call.name)
        if tool is None:
            return _Outcome("unknown_tool", True, f"There is no tool named {call.name}.")
        if tool.state != "active":
            return _Outcome("changed", True, _switched_off(call.name, tool.state))
        try:
            faults = await heavy_imports.argument_faults(tool.input_schema, call.arguments)
        except SchemaTooComplex as error:
            return _Outcome("invalid_schema", True, f"{call.name} can't be called: {error}")
        if faults:
            return _Outcome(
                "invalid_arguments", True, f"The arguments of {call.name} are not valid. " + "; ".join(faults)
            )
        return await self._call(call, tool)

    async def _call(self, call: InvokeToolRequest, tool: CallableTool) -> _Outcome:
        try:
            answer = await self._sessions.call(
                tool.target, tool.remote_name, call.arguments, pinned=tool.definition_hash, key=call.idempotency_key
            )
        except DefinitionChanged as error:
            await self._rows.switch_off(call.owner_id, call.name, tool.definition_hash)
            return _Outcome(error.outcome, True, str(error))
        except ToolCallFault as error:
            return _Outcome(error.outcome, True, f"{call.name} gave no result. {error}")
        return _Outcome("tool_error" if answer.is_error else "completed", answer.is_error, answer.text)

    async def close(self) -> None:
        """Let the calls that are out end, for a moment; what is cut off is `unknown` to whoever asks again."""
        tasks = [task for _, task in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _switched_off(name: str, state: str) -> str:
    if state == "removed":
        return f"The tool {name} is no longer offered by its server."
    return f"The tool {name} is switched off: its definition has changed, and nobody has accepted that yet."


def _key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused("This idempotency key was used for another call.")
