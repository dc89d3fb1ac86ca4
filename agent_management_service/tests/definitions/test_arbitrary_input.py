"""Whatever comes in: an answer below 500, and what was taken comes back as it was sent."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["name", "system_prompt", "description", "capabilities", "llm", "llm_provider", "tools", "limits", "runtime", "x"]
)
NEAR_MISSES = st.dictionaries(FIELDS, JSON_VALUES, max_size=6).map(lambda found: {"system_prompt": "Good.", **found})
TOML_PIECES = st.sampled_from(
    ["name", "system_prompt", "=", '"', '"""', "'", "'''", "[", "]", "[[", "{", "}", ".", ",", "\n", "#", "\\", "1",
     "-", "1979-05-27", "true", "nan", "0x", "1e9", " ", "\t", "\u00e9", "\U0001f600", "\x00", "\\ud800",
     "tools", "allow"]
)  # fmt: skip
SLOW_IS_FINE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def sent(caller: httpx.AsyncClient, content: bytes, media_type: str) -> httpx.Response:
    answer = await caller.post("/api/v1/agents", content=content, headers={"content-type": media_type})
    assert answer.status_code < 500, (content, answer.text)
    if answer.status_code == 422:
        assert answer.json()["errors"]
    return answer


@pytest.mark.parametrize("media_type", ["application/json", "application/toml"])
@SLOW_IS_FINE
@given(content=st.binary(max_size=200))
async def test_no_bytes_make_it_fail(caller: httpx.AsyncClient, media_type: str, content: bytes) -> None:
    await sent(caller, content, media_type)


@SLOW_IS_FINE
@given(document=NEAR_MISSES | JSON_VALUES)
async def test_no_json_makes_it_fail(caller: httpx.AsyncClient, document: Any) -> None:
    await sent(caller, json.dumps(document).encode(), "application/json")


@SLOW_IS_FINE
@given(pieces=st.lists(TOML_PIECES | st.text(max_size=5), max_size=40))
async def test_no_toml_makes_it_fail(caller: httpx.AsyncClient, pieces: list[str]) -> None:
    await sent(caller, "".join(pieces).encode("utf-8", "replace"), "application/toml")


@settings(SLOW_IS_FINE, max_examples=25)  # each is an agent made, read and deleted
@given(prompt=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=200))
async def test_a_prompt_that_is_taken_comes_back_as_it_was(caller: httpx.AsyncClient, prompt: str) -> None:
    content = json.dumps({"name": "echoed", "system_prompt": prompt}).encode()
    made = await sent(caller, content, "application/json")
    assert made.status_code == 201, made.text
    got = await caller.get(made.headers["location"])
    assert got.json()["draft"]["system_prompt"] == prompt
    await caller.delete(made.headers["location"])


@SLOW_IS_FINE
@given(path=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60))
async def test_no_path_makes_it_fail(caller: httpx.AsyncClient, path: str) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in path.encode())
    for method, below in (("GET", ""), ("GET", "/versions"), ("POST", "/publish"), ("DELETE", "")):
        answer = await caller.request(method, f"/api/v1/agents/{quoted}{below}")
        assert answer.status_code < 500
