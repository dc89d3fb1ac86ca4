"""The one way to a tool (DESIGN §7): row → permission → gates → approval → call → size → row's end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog

from kgents_shared.contracts.tools import ApprovalWait, InvokeToolAnswer, InvokeToolRequest, SideEffect
from kgents_shared.db import new_id
from kgents_shared.errors import ApiError
from kgents_shared.errors.handlers import is_database_away
from tool_registry_service.approvals.step import ApprovalStep, lost
from tool_registry_service.calls import CallableTool, Executor, Gate, Refused, ToolKind
from tool_registry_service.errors import DefinitionChanged, IdempotencyKeyReused, NeverSent, ToolCallFault
from tool_registry_service.invocation.lookup import ToolLookup
from tool_registry_service.invocation.masking import fingerprint, masked
from tool_registry_service.invocation.presence import RunnerPresence
from tool_registry_service.invocation.repository import (
    Ending,
    InvocationRepository,
    NewInvocation,
    StoredInvocation,
)
from tool_registry_service.invocation.result_size import cut_to
from tool_registry_service.invocation.results import result_fault
from tool_registry_service.invocation.stopping import MAY_HAVE_ACTED, NEVER_MADE, CallsUnderWay
from tool_registry_service.permissions.gate import Permissions

_log = structlog.get_logger("kgents.tools.invocation")
_POLL_S = 0.05
_GRACE_S = 5.0
_REPEATABLE: Final = frozenset({"none", "read"})
_ASKED_FOR: Final = "external"
_WAITING: Final = "waiting_approval"


@dataclass(frozen=True, slots=True)
class InvocationLimits:
    """`max_result_bytes`: what a model is given at most."""

    max_result_bytes: int


@dataclass(slots=True)
class _Outcome:
    outcome: str
    is_error: bool
    text: str
    side_effect: SideEffect | None = None
    denied_by: dict[str, Any] | None = None
    waiting: ApprovalWait | None = None
    awaited_run: UUID | None = None
    may_have_acted: bool = False
    went_out: bool = False


@dataclass(slots=True)
class _Progress:
    """How far a call is: the tool that it may have been sent to."""

    sent_to: CallableTool | None = None


@dataclass(frozen=True, slots=True)
class InvocationParts:
    """What a call goes through: `until_ready` (raises `Unavailable`) before anything, permission, where its tool is
    found, the gates in order, a person's word where it acts on the world, and who makes it, by kind.
    """

    until_ready: Callable[[], Awaitable[None]]
    permissions: Permissions
    lookup: ToolLookup
    gates: Sequence[Gate]
    approval: ApprovalStep
    executors: Mapping[ToolKind, Executor]
    under_way: CallsUnderWay


class InvocationService:
    """Makes tool calls, each at most once by its idempotency key."""

    def __init__(
        self, rows: InvocationRepository, presence: RunnerPresence, parts: InvocationParts, limits: InvocationLimits
    ) -> None:
        self._rows = rows
        self._presence = presence
        self._until_ready = parts.until_ready
        self._permissions = parts.permissions
        self._lookup = parts.lookup
        self._gates = parts.gates
        self._approval = parts.approval
        self._executors = parts.executors
        self._under_way = parts.under_way
        self._limits = limits
        self._running: dict[tuple[str, str], tuple[str, asyncio.Task[InvokeToolAnswer]]] = {}

    async def tool(self, owner_id: str, name: str) -> CallableTool | None:
        """The tool that a call of this name would go to."""
        return await self._lookup.tool(owner_id, name)

    async def invoke(self, call: InvokeToolRequest) -> InvokeToolAnswer:
        """The result of a call, or the sentence that says why there is none (`is_error`).

        The call goes on if the caller goes away, so that its end is stored.

        Raises:
            IdempotencyKeyReused: the key was used for another call.
            Unavailable: what is forbidden isn't known, or the call could not be recorded: it was not made.
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

    async def _invoke_once(self, call: InvokeToolRequest, mark: str) -> InvokeToolAnswer:
        await self._until_ready()  # before the row: who is turned away here asks again under the same key
        runner = await self._presence.runner()
        new = NewInvocation(new_id(), call, masked(call.arguments), mark, runner, datetime.now(UTC))
        if await self._rows.claim(new):
            return await self._make(call, new.id, runner, was_asked=False)
        return await self._known(call, mark, runner)

    async def _known(self, call: InvokeToolRequest, mark: str, runner: UUID) -> InvokeToolAnswer:
        """The result of a call that was begun before, here or elsewhere."""
        while True:
            stored = await self._rows.stored(call.owner_id, call.idempotency_key)
            if stored is None or stored.fingerprint != mark:
                raise _key_reused()
            if stored.outcome == _WAITING:
                if await self._rows.go_on(stored.id, runner):
                    return await self._make(call, stored.id, runner, was_asked=stored.approval_id is not None)
                continue
            if stored.outcome != "running":
                return InvokeToolAnswer(
                    content=stored.result or "",
                    is_error=bool(stored.is_error),
                    effect_unknown=_is_unknown(stored.outcome),
                    cost=stored.cost,
                )
            # Calls that this process still makes are shared in `invoke`: its own row here is one that was cut off.
            if stored.runner == runner or not await self._presence.is_alive(stored.runner):
                return await self._after_death(call, stored, runner)
            await asyncio.sleep(_POLL_S)

    async def _after_death(self, call: InvokeToolRequest, stored: StoredInvocation, runner: UUID) -> InvokeToolAnswer:
        """The process that made the call is gone: only a tool without effects outside is called again, or a keyed one.

        One with an effect on the world passes its approval again, which knows whether it may have been sent.
        """
        if not await self._rows.take_over(stored.id, from_runner=stored.runner, to_runner=runner):
            return await self._known(call, stored.fingerprint, runner)
        tool, was_asked = await self._lookup.tool(call.owner_id, call.name), stored.approval_id is not None
        may_go_again = tool is not None and (tool.keyed or tool.side_effect in _REPEATABLE)
        if tool is not None and (may_go_again or was_asked or tool.side_effect == _ASKED_FOR):
            return await self._make(call, stored.id, runner, was_asked=was_asked)
        text = (
            f"The call of {call.name} was interrupted; whether it took effect is not known. "
            "It is not repeated by itself: check before calling again."
        )
        return await self._finish(call, stored.id, runner, _Outcome("unknown", True, text), 0.0)

    async def _make(
        self, call: InvokeToolRequest, invocation_id: UUID, runner: UUID, *, was_asked: bool
    ) -> InvokeToolAnswer:
        began = time.monotonic()
        outcome = await self._outcome_unless_stopped(call, invocation_id, was_asked=was_asked)
        if outcome.outcome == _WAITING:
            return await self._wait(call, invocation_id, runner, outcome)
        latency_ms = (time.monotonic() - began) * 1000
        _log.info(
            "tool_called", tool=call.name, agent_id=str(call.agent_id), run_id=str(call.run_id),
            outcome=outcome.outcome, latency_ms=round(latency_ms, 1),
        )  # fmt: skip
        return await self._finish(call, invocation_id, runner, outcome, latency_ms)

    async def _wait(
        self, call: InvokeToolRequest, invocation_id: UUID, runner: UUID, outcome: _Outcome
    ) -> InvokeToolAnswer:
        """Let go of a call that waits: for a person, or for another agent's run that does."""
        waiting, so_far = outcome.waiting, outcome.text or None
        approval_id = None if waiting is None else waiting.approval_id
        if not await self._rows.wait(invocation_id, runner, approval_id, outcome.side_effect, so_far):
            return await self._known(call, fingerprint(call.name, call.arguments), runner)
        _log.info(
            "tool_waits", tool=call.name, run_id=str(call.run_id), approval_id=approval_id and str(approval_id),
            awaited_run=outcome.awaited_run and str(outcome.awaited_run),
        )  # fmt: skip
        content = outcome.text if waiting is None else f"{call.name} waits for a person's approval."
        return InvokeToolAnswer(content=content, waiting=waiting, awaited_run=outcome.awaited_run)

    async def _finish(
        self, call: InvokeToolRequest, invocation_id: UUID, runner: UUID, outcome: _Outcome, latency_ms: float
    ) -> InvokeToolAnswer:
        text = cut_to(outcome.text, self._limits.max_result_bytes)
        size = len(outcome.text.encode())
        ending = Ending(
            outcome.outcome, outcome.is_error, text, size, latency_ms, outcome.side_effect, outcome.denied_by,
            went_out=outcome.went_out or outcome.outcome == "unknown",
        )  # fmt: skip
        finished = await self._rows.finish(invocation_id, runner, ending)
        if finished is None:
            # This process was taken for dead, and the call was given an ending: that one holds.
            _log.warning("tool_call_ended_late", invocation_id=str(invocation_id), outcome=outcome.outcome)
            return await self._known(call, fingerprint(call.name, call.arguments), runner)
        unknown = _is_unknown(outcome.outcome)
        return InvokeToolAnswer(content=text, is_error=outcome.is_error, effect_unknown=unknown, cost=finished.cost)

    async def _outcome_unless_stopped(
        self, call: InvokeToolRequest, invocation_id: UUID, *, was_asked: bool
    ) -> _Outcome:
        """What comes of a call, or of one that was asked to stop: that depends on how far it was."""
        progress = _Progress()
        with self._under_way.making(invocation_id):
            try:
                return await self._outcome(call, progress, was_asked=was_asked)
            except asyncio.CancelledError:
                if not self._under_way.is_stopped(invocation_id):
                    raise
                return _stopped(progress.sent_to)

    async def _outcome(self, call: InvokeToolRequest, progress: "_Progress", *, was_asked: bool) -> _Outcome:
        """What comes of a call. One that a person `was_asked` about needs their word, whatever its tool is said to do
        since: it may have been sent already.
        """
        if (refused := await self._permissions.refusal(call)) is not None:
            return _refusal(refused, None)
        tool = await self._lookup.tool(call.owner_id, call.name)
        if tool is None:
            return _Outcome("unknown_tool", True, f"There is no tool named {call.name}.")
        for gate in self._gates:
            if (refused := await gate.refusal(call, tool)) is not None:
                return _refusal(refused, tool)
        if was_asked or tool.side_effect == _ASKED_FOR:
            return await self._call_as_approved(call, tool, progress)
        return await self._call(call, tool, progress)

    async def _call_as_approved(self, call: InvokeToolRequest, tool: CallableTool, progress: "_Progress") -> _Outcome:
        """Make the call where a person said so; where its answer is lost, they are asked whether it is sent again."""
        word = await self._approval.word(call, tool)
        while word.goes:
            outcome = await self._call(call, tool, progress)
            if not outcome.may_have_acted:
                return outcome
            word = await self._approval.word(call, tool, word.number + 1)
        if word.refused is not None:
            return _refusal(word.refused, tool)
        so_far = lost(call.name) if word.number else ""
        return _Outcome(_WAITING, False, so_far, _ASKED_FOR, waiting=word.waiting)

    async def _call(self, call: InvokeToolRequest, tool: CallableTool, progress: "_Progress") -> _Outcome:
        progress.sent_to = tool
        try:
            answer = await self._executors[tool.kind].call(tool, call)
        except DefinitionChanged as error:
            await self._rows.switch_off(call.owner_id, call.name, tool.definition_hash)
            return _Outcome(error.outcome, True, str(error), tool.side_effect)
        except ToolCallFault as error:
            said = f"{call.name} gave no result. {error}"
            went_out = not isinstance(error, NeverSent)
            return _Outcome(
                error.outcome, True, said, tool.side_effect, may_have_acted=error.may_have_acted, went_out=went_out
            )
        except ApiError:
            raise  # something of ours is away: who asks again under the same key finds the row as it is
        except Exception as error:
            if is_database_away(error):
                raise
            # Without an end the call would be made again whenever it is asked for.
            _log.exception("tool_call_broke", tool=call.name, run_id=str(call.run_id))
            return _broken(tool)
        if answer.awaited_run is not None:
            return _Outcome(_WAITING, False, answer.text, tool.side_effect, awaited_run=answer.awaited_run)
        if (fault := await result_fault(tool, answer)) is not None:
            return _Outcome("invalid_result", True, fault, tool.side_effect, went_out=True)
        outcome = "tool_error" if answer.is_error else "completed"
        return _Outcome(outcome, answer.is_error, answer.text, tool.side_effect, went_out=True)

    async def close(self) -> None:
        """Let the calls that are out end, for a moment; what is cut off is `unknown` to whoever asks again."""
        tasks = [task for _, task in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _is_unknown(outcome: str) -> bool | None:
    return True if outcome == "unknown" else None


def _refusal(refused: Refused, tool: CallableTool | None) -> _Outcome:
    return _Outcome(refused.outcome, True, refused.text, tool and tool.side_effect, refused.denied_by)


def _broken(tool: CallableTool) -> _Outcome:
    """The end of a call that broke within the platform, after it may have been sent."""
    said = f"{tool.name} gave no result: something failed inside the platform."
    if tool.side_effect in _REPEATABLE:
        return _Outcome("failed", True, said, tool.side_effect, may_have_acted=True)
    said = f"{said} Whether it took effect is not known."
    return _Outcome("unknown", True, said, tool.side_effect, may_have_acted=True)


def _stopped(tool: CallableTool | None) -> _Outcome:
    """The end of a call whose run was cancelled, once it was sent to `tool`."""
    if tool is None:
        return _Outcome("cancelled", True, NEVER_MADE)
    if tool.side_effect in _REPEATABLE:
        return _Outcome("cancelled", True, "The call was ended because its run was cancelled.", tool.side_effect)
    return _Outcome("unknown", True, MAY_HAVE_ACTED, tool.side_effect)


def _key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused("This idempotency key was used for another call.")
