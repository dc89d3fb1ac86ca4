"""A run's trace: what the runtime stored, what the registry decided, what people said."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import structlog

from agent_runtime_service.clients import Approvals, RecordedToolCalls
from agent_runtime_service.errors import RunNotFound
from agent_runtime_service.prices.money import CURRENCY, written
from agent_runtime_service.traces.filtering import SpanFilter, failed_at, kept
from agent_runtime_service.traces.records import RunRecord, TraceRecords
from agent_runtime_service.traces.repository import MOST_RUNS, TraceRepository
from agent_runtime_service.traces.schemas import Span, TraceView
from agent_runtime_service.traces.shown import Shown
from agent_runtime_service.traces.spans import SpanMaker
from kgents_shared.contracts.approvals import ApprovalState
from kgents_shared.contracts.asking import MOST_HOPS
from kgents_shared.contracts.tools import RecordedCall
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.traces")
MOST_SPANS: Final = 2000
_MOST_APPROVALS: Final = 200
Registry = Literal["asked", "away", "not_needed"]


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """What of a trace is wanted: which spans, with or without prompts, and how much of each text."""

    wanted: SpanFilter
    prompts: bool = True
    most_chars: int = 2000


class TraceService:
    """Makes traces."""

    def __init__(self, repository: TraceRepository, calls: RecordedToolCalls, approvals: Approvals) -> None:
        self._repository = repository
        self._calls = calls
        self._approvals = approvals

    async def trace(self, owner_ids: Collection[str], run_id: UUID, request: TraceRequest) -> TraceView:
        """The trace of one of the owners' runs. Raises `RunNotFound`."""
        records, registry = await self.records(owner_ids, run_id, prompts=request.prompts)
        # Long prompts take seconds to be looked through for secrets: nobody else waits meanwhile.
        spans, found = await asyncio.to_thread(_spans, records, request)
        run = records.runs[0].run
        return TraceView(
            run_id=run.id, conversation_id=run.conversation_id, status=run.status, started_at=run.created_at,
            duration_ms=spans[0].duration_ms, totals=_totals(spans), failed_at=failed_at(spans), registry=registry,
            left_out=max(0, len(found) - MOST_SPANS) + records.left_out_runs, spans=tuple(found[:MOST_SPANS]),
        )  # fmt: skip

    async def records(
        self, owner_ids: Collection[str], run_id: UUID, *, prompts: bool
    ) -> tuple[TraceRecords, Registry]:
        """All that a trace is made of. Raises `RunNotFound`."""
        run = await self._repository.run(owner_ids, run_id)
        if run is None:
            raise RunNotFound("There is no such run.")
        runs = await self._with_asked(run)
        filled = await self._repository.filled(runs[:MOST_RUNS])
        sent = await self._repository.prompts([one.run.id for one in filled]) if prompts else {}
        calling = [one.run.id for one in filled if one.tool_calls]
        calls, registry = await self._decisions(calling)
        approvals = await self._approved(calls)
        return TraceRecords(filled, sent, calls, approvals, max(0, len(runs) - MOST_RUNS)), registry

    async def _with_asked(self, run: RunRecord) -> list[RunRecord]:
        """The run, those that its calls led to, those that theirs led to …"""
        runs, newest = [run], [run]
        for _ in range(MOST_HOPS):
            known = {one.id for one in runs}
            found = await self._repository.asked_by(run.owner_id, [one.id for one in newest])
            newest = [one for one in found if one.id not in known]
            runs += newest
            if not newest or len(runs) > MOST_RUNS:
                break
        return runs

    async def _decisions(self, run_ids: list[UUID]) -> tuple[dict[tuple[UUID, str], RecordedCall], Registry]:
        if not run_ids:
            return {}, "not_needed"
        try:
            found = await self._calls.of_runs(run_ids)
        except ApiError as error:
            _log.warning("decisions_not_known", error=error.detail)
            return {}, "away"
        return {(call.run_id, call.tool_call_id): call for call in found}, "asked"

    async def _approved(self, calls: dict[tuple[UUID, str], RecordedCall]) -> dict[UUID, ApprovalState]:
        ids = [call.approval_id for call in calls.values() if call.approval_id is not None][:_MOST_APPROVALS]
        if not ids:
            return {}
        try:
            return {state.id: state for state in await self._approvals.states(ids)}
        except ApiError as error:
            _log.warning("approvals_not_known", error=error.detail)
            return {}


def _spans(records: TraceRecords, request: TraceRequest) -> tuple[list[Span], list[Span]]:
    """All spans, and those of them that are wanted."""
    spans = SpanMaker(records, Shown(request.most_chars)).spans()
    return spans, kept(spans, request.wanted)


def _totals(spans: list[Span]) -> dict[str, Any]:
    """Sums over the whole trace, whatever of it is shown: how often, how long, how many tokens."""
    models = [span for span in spans if span.kind == "model_call"]
    tools = [span for span in spans if span.kind == "tool_call"]
    details = [span.model_call for span in models if span.model_call is not None]
    calls = [span.tool_call for span in tools if span.tool_call is not None]
    tool_cost = sum((Decimal(one.cost) for one in calls if one.cost and one.cost_currency == CURRENCY), Decimal())
    model_cost = sum((Decimal(call.cost) for call in details if call.cost is not None), Decimal())
    return {
        "runs": sum(span.kind == "run" for span in spans),
        "model_calls": len(models),
        "model_ms": round(sum(span.duration_ms or 0 for span in models), 3),
        "tool_calls": len(tools),
        "tool_ms": round(sum(span.duration_ms or 0 for span in tools), 3),
        "prompt_tokens": sum(call.prompt_tokens for call in details),
        "completion_tokens": sum(call.completion_tokens for call in details),
        "cost": written(model_cost + tool_cost),
        "tool_cost": written(tool_cost),
        "cost_currency": CURRENCY,
        "cost_is_whole": all(call.cost is not None for call in details),
        "failed": sum(span.status == "error" for span in models + tools),
    }
