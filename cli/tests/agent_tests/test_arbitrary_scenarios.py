"""Whatever a scenario file holds, it is taken or refused with its faults."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from kgents_shared.errors import faults_of
from kgents_shared.scenarios.files import (
    Call,
    Case,
    Expectations,
    MockedTool,
    Prices,
    Reply,
    Scenarios,
    Tokens,
    ToolAnswer,
    Turn,
)

MODELS: list[type[BaseModel]] = [
    Call, Case, Expectations, MockedTool, Prices, Reply, Scenarios, Tokens, ToolAnswer, Turn,
]  # fmt: skip
NAMES = sorted({name for model in MODELS for name in model.model_fields} | {"call", "arguments", "result", "error"})
SCALARS = st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=6)
TEXTS = st.sampled_from(["real", "scripted", "time.now", "0.5", "(", "a{99999999999}", "*", "", "x"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(st.sampled_from(MODELS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6) | VALUES)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_no_data_makes_reading_fail_in_another_way(model: type[BaseModel], data: Any):
    told: list[str] = []
    try:
        told.append(repr(model.model_validate(data)))
    except ValidationError as refused:
        told += [fault.msg for fault in faults_of(refused.errors(include_url=False, include_input=False), model)]
    assert all(told)
    assert told
