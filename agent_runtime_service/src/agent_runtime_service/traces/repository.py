"""What a trace is made of. All SQL here begins with runs of an owner's."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from agent_runtime_service.traces.prompts import KeptPrompt, whole_prompts
from agent_runtime_service.traces.records import (
    ContextRecord,
    IncidentRecord,
    ModelCallRecord,
    RunRecord,
    RunRecords,
    StepRecord,
    ToolCallRecord,
)
from kgents_shared.contracts.asking import MOST_HOPS
from kgents_shared.db import HotPool

RowT = TypeVar("RowT")
MOST_RUNS: Final = 100
_MOST_OF_RUN: Final = 2000

_RUN_COLUMNS = """
    run.id, run.conversation_id, run.owner_id, run.principal, run.agent_id, run.agent_name, run.version, run.status,
    run.attempts, run.request_text, run.usage, run.error, run.created_at, run.started_at, run.ended_at,
    run.waiting_since, run.waited_s, origin.asked_by_run, origin.asked_by_key, origin.traceparent, origin.replay_of,
    run.failed_tries
    FROM runtime.runs AS run LEFT JOIN runtime.run_origins AS origin ON origin.run_id = run.id
"""
_RUN = f"SELECT {_RUN_COLUMNS} WHERE run.id = %(run_id)s AND run.owner_id = ANY(%(owner_ids)s)"
_RUNS = f"SELECT {_RUN_COLUMNS} WHERE run.id = ANY(%(run_ids)s)"
# The first run of all that led to each, with the trace of a caller's that it is part of.
_ROOTS = """
WITH RECURSIVE way AS (
    SELECT origin.run_id AS below, origin.asked_by_run AS run_id, 1 AS hops FROM runtime.run_origins AS origin
    WHERE origin.run_id = ANY(%(run_ids)s) AND origin.asked_by_run IS NOT NULL
    UNION ALL
    SELECT way.below, origin.asked_by_run, way.hops + 1 FROM way
    JOIN runtime.run_origins AS origin ON origin.run_id = way.run_id
    WHERE origin.asked_by_run IS NOT NULL AND way.hops < %(most)s
)
SELECT DISTINCT ON (way.below) way.below, way.run_id, origin.traceparent
FROM way LEFT JOIN runtime.run_origins AS origin ON origin.run_id = way.run_id ORDER BY way.below, way.hops DESC
"""
_EXTRAS = "SELECT request_extras FROM runtime.runs WHERE id = %(run_id)s"
_ASKED = f"""
SELECT {_RUN_COLUMNS} WHERE run.id IN (
    SELECT run_id FROM runtime.run_origins WHERE asked_by_run = ANY(%(run_ids)s)
    UNION SELECT asked.run_id FROM runtime.tool_calls AS call
    JOIN runtime.run_origins AS asked ON asked.asked_by_key = call.idempotency_key
    WHERE call.run_id = ANY(%(run_ids)s)
) AND run.owner_id = ANY(%(owner_ids)s) ORDER BY run.id LIMIT %(most)s
"""  # noqa: S608 -- our constants
# What was asked stands in the run, too, and may have pictures here.
_STEPS = """
SELECT step.run_id, step.seq, step.kind, step.payload, step.created_at FROM runtime.runs AS run CROSS JOIN LATERAL (
    SELECT * FROM runtime.steps AS kept
    WHERE kept.conversation_id = run.conversation_id AND kept.run_id = run.id AND kept.kind <> 'user'
    ORDER BY kept.seq LIMIT %(most)s
) AS step WHERE run.id = ANY(%(run_ids)s) ORDER BY step.run_id, step.seq
"""
_MODEL_CALLS = """
SELECT id, run_id, provider, model, prompt_tokens, completion_tokens, estimated, tries, duration_ms, error, created_at,
    step, epoch, first_ms, cost, cached_tokens, from_cache, timings
FROM runtime.model_calls WHERE run_id = ANY(%(run_ids)s) AND purpose IS DISTINCT FROM 'tool'
ORDER BY created_at, id LIMIT %(most)s
"""
_TOOL_CALLS = """
SELECT run_id, tool_call_id, state, name, arguments, result, dispatches, created_at, ended_at, approval_id,
    idempotency_key
FROM runtime.tool_calls WHERE run_id = ANY(%(run_ids)s) ORDER BY created_at, tool_call_id LIMIT %(most)s
"""
_INCIDENTS = """
SELECT run_id, id, kind, detail, at FROM runtime.run_incidents WHERE run_id = ANY(%(run_ids)s)
ORDER BY at LIMIT %(most)s
"""
_CONTEXT = """
SELECT run_id, id, reason, forgotten, summarised, failure, tokens_before, tokens_after, created_at
FROM runtime.context_changes WHERE run_id = ANY(%(run_ids)s) ORDER BY created_at LIMIT %(most)s
"""
_PROMPTS = """
WITH RECURSIVE kept AS (
    SELECT id, prompt, prompt_of, prompt_head, prompt_tail FROM runtime.model_calls
    WHERE run_id = ANY(%(run_ids)s) AND prompt IS NOT NULL
    UNION
    SELECT call.id, call.prompt, call.prompt_of, call.prompt_head, call.prompt_tail
    FROM runtime.model_calls AS call JOIN kept ON call.id = kept.prompt_of WHERE call.prompt IS NOT NULL
)
SELECT id, prompt, prompt_of, prompt_head, prompt_tail FROM kept LIMIT %(most)s
"""


class TraceRepository:
    """Reads runs with all that is stored of them."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def run(self, owner_ids: Collection[str], run_id: UUID) -> RunRecord | None:
        """The run of that id, if it is one of the owners'."""
        rows = await self._rows(_RUN, {"owner_ids": sorted(owner_ids), "run_id": run_id})
        return RunRecord(*rows[0]) if rows else None

    async def runs(self, run_ids: Collection[UUID]) -> list[RunRecord]:
        """These runs, whoever owns them: for the operator's own telemetry alone."""
        return [RunRecord(*row) for row in await self._rows(_RUNS, {"run_ids": list(run_ids)})]

    async def roots(self, run_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, str | None]]:
        """Of runs that others led to, the first run of all, and the trace of a caller's that it is part of."""
        if not run_ids:
            return {}
        rows = await self._rows(_ROOTS, {"run_ids": list(run_ids), "most": MOST_HOPS})
        return {row[0]: (row[1], row[2]) for row in rows}

    async def extras(self, run_id: UUID) -> dict[str, Any]:
        """What a run was asked for beside its text."""
        rows = await self._rows(_EXTRAS, {"run_id": run_id})
        return (rows[0][0] if rows else None) or {}

    async def asked_by(self, owner_id: str, run_ids: Collection[UUID]) -> list[RunRecord]:
        """Runs of the same owner that calls in these runs led to."""
        values = {"owner_ids": [owner_id], "run_ids": list(run_ids), "most": MOST_RUNS + 1}
        return [RunRecord(*row) for row in await self._rows(_ASKED, values)]

    async def filled(self, runs: Sequence[RunRecord]) -> list[RunRecords]:
        """These runs with their steps, calls and incidents."""
        found = await self.with_calls(runs)
        values = _of(found)
        await self._add_steps(found)
        for row in await self._rows(_INCIDENTS, values):
            found[row[0]].incidents.append(IncidentRecord(*row))
        for row in await self._rows(_CONTEXT, values):
            found[row[0]].context.append(ContextRecord(*row))
        return list(found.values())

    async def with_calls(self, runs: Sequence[RunRecord], *, with_steps: bool = False) -> dict[UUID, RunRecords]:
        """These runs with their calls of models and tools; with their steps, where those are wanted too."""
        found = {run.id: RunRecords(run) for run in runs}
        values = _of(found)
        for row in await self._rows(_MODEL_CALLS, values):
            found[row[1]].model_calls.append(ModelCallRecord(*row))
        for row in await self._rows(_TOOL_CALLS, values):
            found[row[0]].tool_calls.append(ToolCallRecord(*row))
        if with_steps:
            await self._add_steps(found)
        return found

    async def _add_steps(self, found: Mapping[UUID, RunRecords]) -> None:
        for row in await self._rows(_STEPS, _of(found)):
            found[row[0]].steps.append(StepRecord(*row))

    async def prompts(self, run_ids: Collection[UUID]) -> dict[UUID, bytes]:
        """What was sent to models, by call; what isn't kept is left out."""
        rows = await self._rows(_PROMPTS, {"run_ids": list(run_ids), "most": _MOST_OF_RUN})
        return whole_prompts({row[0]: KeptPrompt(*row[1:]) for row in rows})

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()


def _of(found: Mapping[UUID, RunRecords]) -> dict[str, Any]:
    return {"run_ids": list(found), "most": _MOST_OF_RUN * max(1, len(found))}
