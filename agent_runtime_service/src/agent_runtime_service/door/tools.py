"""Tool calls: kept before they go out, kept with their result before the worker sees it (DESIGN §6)."""

import asyncio
import hashlib
from typing import NoReturn
from uuid import UUID

import orjson
import structlog

from agent_runtime_service.clients import ToolRegistry
from agent_runtime_service.door.tool_money import ToolMoney
from agent_runtime_service.errors import RunWaiting
from agent_runtime_service.execution.active import ActiveRun
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.execution.teams import as_question
from kgents_shared.contracts.tools import InvokeToolAnswer, InvokeToolRequest
from kgents_shared.contracts.worker import Message, ToolCall, ToolCallRequest, ToolCallResult
from kgents_shared.errors import ApiError, BadGateway, Conflict, InvalidInput, Unavailable
from kgents_shared.http.client import CallFailed

_log = structlog.get_logger("kgents.runtime.tools")
_RETRY_PAUSE_S = 0.5
_MARGIN_S = 0.5
_LEAST_S = 0.2
_LONGEST_S = 3600.0
_SERVER_ERROR = 500
_UNKNOWN = "The tool's answer was lost. Whether the call took effect is not known; do not simply repeat it."


class ToolCaller:
    """Carries out the calls of stored steps, each at most once as far as this side can know."""

    def __init__(self, journal: RunJournal, registry: ToolRegistry, answered: asyncio.Event, money: ToolMoney) -> None:
        self._money = money
        self._answered = answered
        self._journal = journal
        self._registry = registry

    async def call(self, run: ActiveRun, request: ToolCallRequest) -> ToolCallResult:
        """The result of a call that the run's last step asked for.

        Raises `RunWaiting` where it needs a person's word, or an agent that was asked does: the run waits, and whoever
        asked is let go.
        """
        call = run.waiting_calls.get(request.tool_call_id)
        if call is None or call.name != request.name or call.arguments != request.arguments:
            raise InvalidInput("No stored step asks for this tool call.", code="unknown_tool_call")
        mark = (run.epoch, call.id)
        if mark in run.calls_under_way:
            raise Conflict("This tool call is under way already.", code="tool_call_under_way")
        run.calls_under_way.add(mark)
        try:
            return await self._once(run, call)
        finally:
            run.calls_under_way.discard(mark)

    async def _once(self, run: ActiveRun, call: ToolCall) -> ToolCallResult:
        key = hashlib.sha256(f"{run.run_id}/{call.id}".encode()).hexdigest()
        state, stored, awaited_run, is_repeated = await self._journal.dispatch_tool(
            run,
            {
                "tool_call_id": call.id,
                "key": key,
                "name": call.name,
                "arguments": orjson.dumps(call.arguments).decode(),
            },
        )
        if state != "dispatched" and stored is not None:
            message = Message.model_validate_json(stored)
            return ToolCallResult(content=message.text, is_error=message.is_error)
        state, answer = await self._carry_out(run, call, key, awaited_run, is_repeated=is_repeated)
        if answer.waiting is not None or answer.awaited_run is not None:
            await self._suspend(run, call, answer)
        result = ToolCallResult(content=_storable(answer.content), is_error=answer.is_error)
        await self._store(run, call, state, result)
        return result

    async def _suspend(self, run: ActiveRun, call: ToolCall, answer: InvokeToolAnswer) -> NoReturn:
        run.suspend(await self._journal.suspend(run, call.id, answer.waiting, answer.awaited_run))
        if answer.awaited_run is not None:
            self._answered.set()  # it may have ended before this one waited for it
        raise RunWaiting("The run waits for an approval; it goes on with another request.")

    async def _carry_out(
        self, run: ActiveRun, call: ToolCall, key: str, awaited_run: UUID | None, *, is_repeated: bool
    ) -> tuple[str, InvokeToolAnswer]:
        plan = run.plan
        if plan is None or all(tool.name != call.name for tool in plan.tools):
            return "completed", InvokeToolAnswer(content=f"There is no tool named {call.name} here.", is_error=True)
        if run.replay is not None:
            return "completed", run.replay.answer(call.name, call.arguments)
        name, arguments = as_question(call) if plan.is_team else (call.name, call.arguments)
        request = InvokeToolRequest(
            owner_id=plan.owner_id,
            principal=run.principal,
            agent_id=run.agent_id,
            agent_name=run.agent_name,
            agent_version=run.version,
            run_id=run.run_id,
            conversation_id=run.conversation_id,
            tool_call_id=call.id,
            idempotency_key=key,
            name=name,
            arguments=arguments,
            allow=plan.patterns.allow,
            deny=plan.patterns.deny,
            hops=(*run.hops, run.agent_id),
            memory=plan.memory,
            awaited_run=awaited_run,
        )
        try:
            priced = await self._money.admit(run, plan, call.id, name, is_repeated=is_repeated)
        except ApiError as error:
            return "completed", InvokeToolAnswer(content=f"{name} was not called. {error.detail}", is_error=True)
        try:
            state, answer = await self._invoked(run, request)
            if state == "completed":
                priced.went(answer.cost)
        finally:
            self._money.settle(run, plan, priced)
        return state, answer

    async def _invoked(self, run: ActiveRun, request: InvokeToolRequest) -> tuple[str, InvokeToolAnswer]:
        tool = request.name
        while (left := run.time_left() - _MARGIN_S) > _LEAST_S:
            try:
                answer = await self._registry.invoke(request, min(left, _LONGEST_S))
                return "unknown" if answer.effect_unknown else "completed", answer
            except Unavailable as away:
                # The same key: the registry knows whether it carried the call out already.
                _log.warning("tool_answer_missing", tool=tool, run_id=str(run.run_id), error=away.detail)
                await asyncio.sleep(_RETRY_PAUSE_S)
            except ApiError as error:
                if _broke(error):
                    _log.warning("tool_call_broke", tool=tool, run_id=str(run.run_id), error=error.detail)
                    break
                return "completed", InvokeToolAnswer(content=error.detail, is_error=True)
        return "unknown", InvokeToolAnswer(content=_UNKNOWN, is_error=True)

    async def _store(self, run: ActiveRun, call: ToolCall, state: str, result: ToolCallResult) -> None:
        message = Message(role="tool", text=result.content, tool_call_id=call.id, is_error=result.is_error)
        payload = orjson.dumps(message.model_dump(mode="json", exclude_defaults=True))
        seq = await self._journal.complete_tool(run, call.id, state, payload.decode())
        run.waiting_calls.pop(call.id, None)
        run.feed.stored(seq, payload)


def _broke(error: ApiError) -> bool:
    """Whether the registry failed within a call, rather than refused it: then it may have been made."""
    return isinstance(error, BadGateway) or (isinstance(error, CallFailed) and error.far_status >= _SERVER_ERROR)


def _storable(text: str) -> str:
    """A tool's text without the lone surrogates that a JSON parser lets in and UTF-8 can't hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
