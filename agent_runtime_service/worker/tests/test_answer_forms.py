"""Answers held against a caller's schema."""

import asyncio
import signal
from typing import Any

import pytest

from agent_worker.failures import RunFailed
from agent_worker.structured import AnswerForm


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"pattern": "^(a+)+$"}, '"' + "a" * 60 + '!"'),
        ({"$ref": "#"}, "1"),
        (
            {"$defs": {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}, "$ref": "#/$defs/0"},
            "1",
        ),
    ],
    ids=["a pattern that backtracks", "a reference to itself", "references that double"],
)
def test_a_schema_that_comes_to_no_end_is_let_go(schema: dict[str, Any], answer: str):
    schema.setdefault("$defs", {})["40"] = {}
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(RunFailed) as failed:
        AnswerForm(schema).read(answer)
    assert (failed.value.code, failed.value.status) == ("answer_unchecked", 422)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_answer_is_held_against_its_schema():
    form = AnswerForm({"type": "object", "required": ["city"]})
    assert form.read('```json\n{"city": "Paris"}\n```') == ('{"city": "Paris"}', [])
    assert form.read("{}")[1] == ["$: 'city' is a required property"]


async def test_an_answer_is_held_against_its_schema_in_any_thread():
    assert await asyncio.to_thread(AnswerForm({"type": "integer"}).read, "1") == ("1", [])
