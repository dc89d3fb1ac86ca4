"""From records to spans: what was part of what, how long it took, how it ended."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from agent_runtime_service.prices.money import CURRENCY, written
from agent_runtime_service.traces.records import (
    ContextRecord,
    IncidentRecord,
    ModelCallRecord,
    RunRecords,
    StepRecord,
    ToolCallRecord,
    TraceRecords,
)
from agent_runtime_service.traces.schemas import (
    ContextDetails,
    Decision,
    ModelCallDetails,
    RunDetails,
    Span,
    SpanError,
    SpanStatus,
    ToolCallDetails,
)
from agent_runtime_service.traces.shown import Shown
from kgents_shared.contracts.tools import RecordedCall
from kgents_shared.contracts.worker import ToolCall

# Below that, a run that waited for its turn didn't: it is the time between two statements.
_LEAST_QUEUE: Final = timedelta(milliseconds=5)
_ANSWERED: Final = frozenset({"completed", "tool_error"})
_UNDECIDED: Final = _ANSWERED | {
    "running", "waiting_approval", "unknown", "invalid_result", "failed", "timeout", "changed", "invalid_arguments",
    "unknown_tool", "invalid_schema",
}  # fmt: skip
_RUN_STATUS: Final[dict[str, SpanStatus]] = {
    "completed": "ok", "failed": "error", "cancelled": "cancelled", "waiting_approval": "waiting",
}  # fmt: skip
_CALL_STATUS: Final[dict[str, SpanStatus]] = {
    "dispatched": "running", "waiting": "waiting", "cancelled": "cancelled", "unknown": "error",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a span hangs, and since when the trace goes on."""

    began: datetime
    parent: str | None


class SpanMaker:
    """Makes the spans of a trace, in the order in which they are drawn."""

    def __init__(self, records: TraceRecords, shown: Shown) -> None:
        self._records = records
        self._shown = shown
        self._asked: defaultdict[UUID | str | None, list[RunRecords]] = defaultdict(list)
        for one in records.runs[1:]:
            self._asked[one.run.asked_by_key or one.run.asked_by_run].append(one)

    def spans(self) -> list[Span]:
        """All spans, the run's own first."""
        first = self._records.runs[0]
        return list(self._run(first, _Place(first.run.created_at, None)))

    def _run(self, records: RunRecords, place: _Place) -> Iterator[Span]:
        run = records.run
        answer = next((row.payload.get("text") for row in records.steps if row.kind == "final"), None)
        details = RunDetails(
            run_id=run.id, conversation_id=run.conversation_id, agent=run.agent_name, version=run.version,
            status=run.status, principal=run.principal, attempts=run.attempts,
            question=self._shown.text(run.question), answer=self._shown.text_or_none(answer), usage=run.usage,
            waited_s=_waited_s(records), replay_of=run.replay_of,
        )  # fmt: skip
        error = None
        if run.error is not None:
            error = SpanError(code=str(run.error["code"]), detail=self._shown.text(str(run.error["detail"])))
        name = f"{run.agent_name}@{run.version}"
        own = _span(
            place, str(run.id), "run", name, _RUN_STATUS.get(run.status, "running"), (run.created_at, run.ended_at)
        )
        yield own.model_copy(update={"run": details, "error": error})
        below = replace(place, parent=own.id)
        if run.started_at is not None and run.started_at - run.created_at > _LEAST_QUEUE:
            yield _span(below, f"{run.id}/queue", "queue", "queue", "ok", (run.created_at, run.started_at))
        for incident in records.incidents:
            yield self._incident(incident, below)
        for tried in run.failed_tries or ():
            yield self._failed_try(run.id, tried, below)
        for change in records.context:
            yield _context(change, below)
        yield from self._steps(records, below)
        for asked in self._asked.get(run.id, ()):
            yield from self._run(asked, below)

    def _incident(self, incident: IncidentRecord, place: _Place) -> Span:
        span = _span(place, str(incident.id), "incident", incident.kind, "error", (incident.at, incident.at))
        error = SpanError(code=incident.kind, detail=self._shown.text(incident.detail))
        return span.model_copy(update={"error": error})

    def _failed_try(self, run_id: UUID, tried: dict[str, Any], place: _Place) -> Span:
        """A try that failed, and the pause until the next one was due."""
        time = datetime.fromisoformat(tried["failed_at"]), datetime.fromisoformat(tried["next_at"])
        span = _span(
            place, f"{run_id}/try/{tried['number']}", "incident", f"try {tried['number']} failed", "error", time
        )
        error = SpanError(code=str(tried["code"]), detail=self._shown.text(str(tried["detail"])))
        return span.model_copy(update={"error": error})

    def _steps(self, records: RunRecords, place: _Place) -> Iterator[Span]:
        """Each step: the calls of a model until there is an answer, then the calls of tools that it asked for."""
        said = [row for row in records.steps if row.kind in {"assistant", "final"}]
        calls_of_step: defaultdict[int, list[ModelCallRecord]] = defaultdict(list)
        for call in records.model_calls:
            calls_of_step[_step_of(call, said)].append(call)
        tools = {call.tool_call_id: call for call in records.tool_calls}
        for number in range(max([len(said), *(step + 1 for step in calls_of_step)], default=0)):
            step = said[number] if number < len(said) else None
            wanted = [tools.pop(call["id"], None) for call in _tool_calls(step)]
            yield from self._step(
                records, number, calls_of_step[number], step, [call for call in wanted if call is not None], place
            )
        for call in tools.values():  # of a step that isn't kept any more
            yield from self._tool_call(call, place)

    def _step(
        self,
        records: RunRecords,
        number: int,
        model_calls: Sequence[ModelCallRecord],
        step: StepRecord | None,
        tool_calls: Sequence[ToolCallRecord],
        place: _Place,
    ) -> Iterator[Span]:
        inner = f"{records.run.id}/{number + 1}"
        below = replace(place, parent=inner)
        children = list(self._model_calls(model_calls, step, below))
        for call in tool_calls:
            children += self._tool_call(call, below)
        if not children and step is not None:
            children, began, ended = [], step.created_at, step.created_at
        elif children:
            began = min(child.started_at for child in children)
            ends = [child.ended_at for child in children]
            ended = None if None in ends else max(end for end in ends if end is not None)
        else:
            return
        direct = [child for child in children if child.parent_id == inner]
        yield _span(
            place, inner, "step", f"step {number + 1}", _worst(direct, answered=step is not None), (began, ended)
        )
        yield from children

    def _model_calls(self, calls: Sequence[ModelCallRecord], step: StepRecord | None, place: _Place) -> Iterator[Span]:
        answers = [call for call in calls if call.error is None]
        for call in calls:
            is_answer = step is not None and answers and call is answers[-1]
            yield self._model_call(call, step if is_answer else None, place)

    def _model_call(self, call: ModelCallRecord, step: StepRecord | None, place: _Place) -> Span:
        began = call.created_at - timedelta(milliseconds=call.duration_ms)
        name = f"{call.provider}/{call.model}"
        status: SpanStatus = "ok" if call.error is None else "error"
        span = _span(place, str(call.id), "model_call", name, status, (began, call.created_at))
        details = ModelCallDetails(
            call_id=call.id, provider=call.provider, model=call.model, attempt=call.epoch,
            prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens, estimated=call.estimated,
            tries=call.tries, first_token_ms=call.first_ms, prompt=self._prompt(call.id),
            text=None if step is None else self._shown.text_or_none(step.payload.get("text")),
            tool_calls=tuple(
                ToolCall(id=one["id"], name=one["name"], arguments=self._shown.arguments(one["arguments"]))
                for one in _tool_calls(step)
            ),
            cached_tokens=call.cached_tokens, cost=None if call.cost is None else written(call.cost),
            cost_currency=None if call.cost is None else CURRENCY, from_cache=call.from_cache, timings=call.timings,
        )  # fmt: skip
        error = None
        if call.error is not None:
            error = SpanError(code=call.error, detail=f"The call of {name} failed: {call.error}.")
        return span.model_copy(update={"model_call": details, "error": error})

    def _prompt(self, call_id: UUID) -> Any:
        body = self._records.prompts.get(call_id)
        if body is None:
            return None
        try:
            return self._shown.value(orjson.loads(body))
        except orjson.JSONDecodeError:
            return self._shown.text(body.decode("utf-8", "replace"))

    def _tool_call(self, call: ToolCallRecord, place: _Place) -> Iterator[Span]:
        known = self._records.calls.get((call.run_id, call.tool_call_id))
        result = call.result or {}
        is_error = None if call.result is None else bool(result.get("is_error", False))
        text = self._shown.text_or_none(result.get("text"))
        details = ToolCallDetails(
            tool=call.name, tool_call_id=call.tool_call_id, state=call.state,
            arguments=self._shown.arguments(call.arguments), result=text, is_error=is_error,
            dispatches=call.dispatches, decision=None if known is None else self._decision(known),
            latency_ms=None if known is None else known.latency_ms,
            result_bytes=None if known is None else known.result_bytes,
            cost=None if known is None else known.cost,
            cost_currency=None if known is None else known.cost_currency,
        )  # fmt: skip
        status = _CALL_STATUS.get(call.state, "error" if is_error else "ok")
        error = None
        if status == "error":
            code = known.outcome if known is not None and known.outcome != "completed" else call.state
            error = SpanError(code="tool_error" if code == "completed" else code, detail=text or "It gave no answer.")
        inner = f"{call.run_id}/{call.tool_call_id}"
        span = _span(place, inner, "tool_call", call.name, status, (call.created_at, call.ended_at))
        yield span.model_copy(update={"tool_call": details, "error": error})
        for asked in self._asked.get(call.key, ()):
            yield from self._run(asked, replace(place, parent=inner))

    def _decision(self, known: RecordedCall) -> Decision:
        approval = self._records.approvals.get(known.approval_id) if known.approval_id is not None else None
        outcome = "denied" if known.denied_by is not None else known.outcome
        if known.denied_by is None and known.outcome in _UNDECIDED - {"waiting_approval"}:
            outcome = "allowed"
        return Decision(
            outcome=outcome, side_effect=known.side_effect, denied_by=known.denied_by, approval_id=known.approval_id,
            approval_status=None if approval is None else approval.status,
            decided_by=None if approval is None else approval.decided_by,
            note=None if approval is None else self._shown.text_or_none(approval.note),
        )  # fmt: skip


def _context(change: ContextRecord, place: _Place) -> Span:
    details = ContextDetails(
        reason=change.reason, forgotten=change.forgotten, summarised=change.summarised, failure=change.failure,
        tokens_before=change.tokens_before, tokens_after=change.tokens_after,
    )  # fmt: skip
    status: SpanStatus = "ok" if change.failure is None else "error"
    span = _span(place, str(change.id), "context", "context", status, (change.at, change.at))
    failed = "No summary could be made of what the model is shown no longer."
    error = None if change.failure is None else SpanError(code=change.failure, detail=failed)
    return span.model_copy(update={"context": details, "error": error})


def _span(
    place: _Place,
    span_id: str,
    kind: Any,
    name: str,
    status: SpanStatus,
    time: tuple[datetime, datetime | None],
) -> Span:
    began, ended = time
    return Span(
        id=span_id, parent_id=place.parent, kind=kind, name=name, status=status, started_at=began, ended_at=ended,
        offset_ms=_ms(began - place.began), duration_ms=None if ended is None else _ms(ended - began),
    )  # fmt: skip


def _ms(time: timedelta) -> float:
    return round(time / timedelta(milliseconds=1), 3)


def _waited_s(records: RunRecords) -> float:
    run = records.run
    now = 0.0 if run.waiting_since is None else (datetime.now(UTC) - run.waiting_since).total_seconds()
    return round(run.waited_s + now, 3)


def _step_of(call: ModelCallRecord, said: Sequence[StepRecord]) -> int:
    """Which step a call was for; of calls that were made before that was noted, by the time."""
    if call.step is not None:
        return call.step
    return sum(step.created_at < call.created_at for step in said)


def _tool_calls(step: StepRecord | None) -> list[dict[str, Any]]:
    return [] if step is None else step.payload.get("tool_calls", [])


def _worst(children: Sequence[Span], *, answered: bool) -> SpanStatus:
    """How a step is: by what is going on in it, and whether there is an answer of the model's."""
    statuses = {child.status for child in children}
    for status in ("running", "waiting", "cancelled"):
        if status in statuses:
            return status
    if not answered and "error" in statuses:
        return "error"
    return "ok"
