"""The samples that compilers make of Python and JavaScript, built by pinned versions, through the registry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.wasm_samples import COMPILED, compile_all, javascript_sample, python_sample

from .conftest import WasmOwner


@pytest.fixture(scope="module")
async def registry(database_url: str) -> AsyncGenerator[RunningRegistry]:
    """A registry that finds both samples compiled."""
    await asyncio.to_thread(compile_all)
    async with running_registry(database_url, wasm_cache_dir=COMPILED) as running:
        yield running


@pytest.mark.timeout(300)
async def test_the_python_sample_is_called(registry: RunningRegistry) -> None:
    server = await WasmOwner(registry).server(python_sample(), "statistics")
    assert server["warnings"] == []
    described = await registry.invoke("statistics.describe", {"numbers": [1, 2, 3, 6]})
    assert json.loads(described["content"]) == {"count": 4, "mean": 3.0, "min": 1, "max": 6}
    assert (await registry.invoke("statistics.median", {"numbers": [3, 1, 2]}))["content"] == "2"


@pytest.mark.timeout(300)
async def test_the_javascript_sample_is_called(registry: RunningRegistry) -> None:
    server = await WasmOwner(registry).server(javascript_sample(), "text")
    assert server["warnings"] == []
    assert (await registry.invoke("text.slug", {"text": "Zoë's  Größe, again!"}))["content"] == "zoë-s-größe-again"
    counted = await registry.invoke("text.words", {"text": "to be or not to be"})
    assert json.loads(counted["content"]) == {"to": 2, "be": 2, "or": 1, "not": 1}
    nothing = await registry.invoke("text.slug", {"text": "…"})
    assert (nothing["content"], nothing["is_error"]) == ("There are no words in the text.", True)


@pytest.mark.timeout(300)
async def test_calls_of_components_at_the_same_time_get_their_own_answers(registry: RunningRegistry) -> None:
    owner = WasmOwner(registry)
    await owner.server(python_sample(), "apart")
    answers = await asyncio.gather(*(registry.invoke("apart.median", {"numbers": [number]}) for number in range(40)))
    assert [answer["content"] for answer in answers] == [str(number) for number in range(40)]
