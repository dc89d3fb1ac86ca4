"""Whether what a turn did is what its scenario expects."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from kgents_shared.contracts.tool_patterns import matching
from kgents_shared.contracts.worker import ToolCall
from kgents_shared.scenarios.files import Call, Expectations

_SHOWN_CHARS = 300
# Where requests hold what the model is told, on all wires, and what in there isn't said to it.
_SAID_IN = ("messages", "contents", "system", "systemInstruction")
_NOT_SAID = frozenset(
    {"role", "type", "id", "name", "tool_call_id", "tool_use_id", "tool_calls", "functionCall", "input"}
)
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a turn did: its answer or the code and sentence of its failure, and what passed the door."""

    text: str
    failure: tuple[str, str] | None
    calls: Sequence[ToolCall]
    offered: Sequence[str]
    requests: Sequence[dict[str, Any]]
    tokens: int
    cost: Decimal | None


def broken(expected: Expectations, seen: Seen) -> Found:
    """The expectations that don't hold: each one's name, and the sentence that tells what was seen."""
    yield from _end(expected, seen)
    yield from _text(expected, seen.text)
    yield from _calls(expected, seen.calls)
    yield from _model(expected, seen)
    yield from _bounds(expected, seen)


def _end(expected: Expectations, seen: Seen) -> Found:
    code, detail = seen.failure or (None, "")
    if expected.fails is None and code is not None:
        yield "run", f"it failed with {code}: {detail}"
    elif expected.fails is not None and code is None:
        yield "fails", f"expected {expected.fails}; the agent answered: {_short(seen.text)}"
    elif expected.fails != code:
        yield "fails", f"expected {expected.fails}; it failed with {code}: {detail}"


def _text(expected: Expectations, text: str) -> Found:
    if expected.text is not None and text != expected.text:
        yield "text", f"expected {_short(expected.text)}; the answer is {_short(text)}"
    for part in expected.contains:
        if part not in text:
            yield "contains", f"{_short(part)} is not in the answer: {_short(text)}"
    for part in expected.lacks:
        if part in text:
            yield "lacks", f"{_short(part)} is in the answer: {_short(text)}"
    if expected.matches is not None and re.search(expected.matches, text) is None:
        yield "matches", f"nothing matches {_short(expected.matches)} in the answer: {_short(text)}"


def _calls(expected: Expectations, calls: Sequence[ToolCall]) -> Found:
    if expected.calls is not None and not _are(expected.calls, calls):
        wanted = ", ".join(_shown(call.tool, call.arguments) for call in expected.calls) or "no call"
        yield "calls", f"expected {wanted}; made: {_made(calls)}"
    names = iter([call.name for call in calls])
    missing = next((wanted for wanted in expected.calls_in_order if wanted not in names), None)
    if missing is not None:
        yield "calls_in_order", f"{missing} is not called where it should be; made: {_made(calls)}"
    for call in calls:
        if (pattern := matching(call.name, expected.never_calls)) is not None:
            yield "never_calls", f"{_shown(call.name, call.arguments)} was called, against {pattern}"


def _are(wanted: Sequence[Call], calls: Sequence[ToolCall]) -> bool:
    return len(wanted) == len(calls) and all(
        one.tool == call.name and all(call.arguments.get(key) == value for key, value in one.arguments.items())
        for one, call in zip(wanted, calls, strict=True)
    )


def _model(expected: Expectations, seen: Seen) -> Found:
    if expected.offered is not None and sorted(expected.offered) != sorted(seen.offered):
        wanted, offered = (", ".join(sorted(names)) or "no tool" for names in (expected.offered, seen.offered))
        yield "offered", f"expected {wanted}; the model was offered {offered}"
    told = [text for request in seen.requests[-1:] for part in _SAID_IN for text in _texts(request.get(part))]
    for part in expected.model_saw:
        if not any(part in text for text in told):
            yield "model_saw", f"{_short(part)} is in no message that the model was given"


def _texts(part: Any) -> Iterator[str]:
    """What is said in a part of a request, whichever provider's wire it is on."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for item in cast("list[Any]", part):
            yield from _texts(item)
    elif isinstance(part, dict):
        for name, value in cast("dict[str, Any]", part).items():
            if name not in _NOT_SAID:
                yield from _texts(value)


def _bounds(expected: Expectations, seen: Seen) -> Found:
    steps = len(seen.requests)
    if expected.steps is not None and steps != expected.steps:
        yield "steps", f"expected {expected.steps}; the model was asked {steps} times"
    if expected.max_steps is not None and steps > expected.max_steps:
        yield "max_steps", f"at most {expected.max_steps}; the model was asked {steps} times"
    if expected.max_tokens is not None and seen.tokens > expected.max_tokens:
        yield "max_tokens", f"at most {expected.max_tokens}; it took {seen.tokens}"
    if expected.max_cost is not None and seen.cost is not None and seen.cost > Decimal(expected.max_cost):
        yield "max_cost", f"at most {expected.max_cost} US dollars; it cost {seen.cost.normalize():f}"


def _made(calls: Sequence[ToolCall]) -> str:
    return ", ".join(_shown(call.name, call.arguments) for call in calls) or "none"


def _shown(name: str, arguments: dict[str, Any]) -> str:
    return f"{name} {_short_json(arguments)}" if arguments else name


def _short_json(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    return _cut(json.dumps(text, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
