"""Two runs, step by step."""

import difflib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from agent_runtime_service.execution.replay import call_key
from agent_runtime_service.prices.money import CURRENCY, written
from agent_runtime_service.replays.schemas import ComparedStep, Comparison, Side, StepChange
from agent_runtime_service.traces.records import RunRecords, StepRecord
from agent_runtime_service.traces.shown import Shown

MOST_CHARS: Final = 20_000
# What two answers have in common takes the cube of their lines to find, where somebody means it to.
_MOST_LINES: Final = 1_000
_SHOWN = Shown(MOST_CHARS)


def compared(first: RunRecords, second: RunRecords) -> Comparison:
    """What is the same and what isn't."""
    sides = _side(first), _side(second)
    steps = tuple(_changes(first, second))
    answers = [_lines(side.answer or "") for side in sides]
    return Comparison(
        first=sides[0],
        second=sides[1],
        same_steps=all(step.change == "same" for step in steps),
        same_answer=sides[0].answer == sides[1].answer,
        steps=steps,
        answer_diff=tuple(difflib.unified_diff(answers[0], answers[1], "first", "second", lineterm="")),
        difference=_difference(*sides),
    )


def _lines(answer: str) -> list[str]:
    lines = answer.splitlines()
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"… ({len(lines)} lines)"]


def _side(records: RunRecords) -> Side:
    run, calls = records.run, records.model_calls
    answer = next((row.payload.get("text") for row in records.steps if row.kind == "final"), None)
    costs = [call.cost for call in calls]
    known = [cost for cost in costs if cost is not None]
    began = run.started_at or run.created_at
    return Side(
        run_id=run.id,
        version=run.version,
        status=run.status,
        models=tuple(dict.fromkeys(f"{call.provider}/{call.model}" for call in calls if call.error is None)),
        answer=_SHOWN.text_or_none(answer),
        error=run.error,
        model_calls=len(calls),
        tool_calls=len(records.tool_calls),
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=sum(call.completion_tokens for call in calls),
        cost=written(sum(known, Decimal())) if len(known) == len(costs) else None,
        cost_currency=CURRENCY if len(known) == len(costs) else None,
        duration_ms=None if run.ended_at is None else round((run.ended_at - began).total_seconds() * 1000, 3),
        model_ms=sum(call.duration_ms for call in calls),
    )


def _changes(first: RunRecords, second: RunRecords) -> Iterator[StepChange]:
    steps = _steps(first), _steps(second)
    keys = [[key for key, _ in side] for side in steps]
    for what, from_1, to_1, from_2, to_2 in difflib.SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        ones, others = steps[0][from_1:to_1], steps[1][from_2:to_2]
        for place in range(max(len(ones), len(others))):
            one = ones[place][1] if place < len(ones) else None
            other = others[place][1] if place < len(others) else None
            if what == "equal":
                change = "same"
            elif one is None:
                change = "second_only"
            else:
                change = "first_only" if other is None else "changed"
            yield StepChange(change=change, first=one, second=other)


def _steps(records: RunRecords) -> Sequence[tuple[str, ComparedStep]]:
    """Each step with what makes it the same as another: its calls, or that it is the answer."""
    results = {call.tool_call_id: call for call in records.tool_calls}
    found: list[tuple[str, ComparedStep]] = []
    for row in records.steps:
        if row.kind not in {"assistant", "final"}:
            continue
        asked: list[dict[str, Any]] = row.payload.get("tool_calls", [])
        key = "\n".join(call_key(call["name"], call["arguments"]) for call in asked)
        calls = tuple(_call(call, results) for call in asked)
        found.append((key or "the answer", ComparedStep(text=_text(row), calls=calls)))
    return found


def _call(call: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    made = results.get(call["id"])
    result = (made.result or {}) if made is not None else {}
    return {
        "tool": call["name"],
        "arguments": _SHOWN.arguments(call["arguments"]),
        "result": _SHOWN.text_or_none(result.get("text")),
        "is_error": bool(result.get("is_error", False)),
    }


def _text(row: StepRecord) -> str:
    return _SHOWN.text(str(row.payload.get("text", "")))


def _difference(first: Side, second: Side) -> dict[str, float | str | None]:
    cost = None
    if first.cost is not None and second.cost is not None:
        cost = written(Decimal(second.cost) - Decimal(first.cost))
    duration = None
    if first.duration_ms is not None and second.duration_ms is not None:
        duration = round(second.duration_ms - first.duration_ms, 3)
    return {
        "model_calls": second.model_calls - first.model_calls,
        "tool_calls": second.tool_calls - first.tool_calls,
        "prompt_tokens": second.prompt_tokens - first.prompt_tokens,
        "completion_tokens": second.completion_tokens - first.completion_tokens,
        "cost": cost,
        "duration_ms": duration,
    }
