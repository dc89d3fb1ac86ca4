"""What a model call is taken to cost before it is made."""

import json
from typing import Any

import pytest

from agent_runtime_service.budgets.admission import estimated_tokens
from agent_runtime_service.gateway.usage import with_unseen
from kgents_shared.contracts.worker import ModelChoice

PICTURE = "iVBORw0KGgo" * 100_000
URL = f"data:image/png;base64,{PICTURE}"


def _of(content: Any, **more: Any) -> int:
    return estimated_tokens(json.dumps({"messages": [{"role": "user", "content": content, **more}]}).encode())


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "image_url", "image_url": {"url": URL}}]},
        {"content": [{"type": "image", "source": {"type": "base64", "data": PICTURE}}]},
        {"content": [{"type": "tool_result", "content": [{"type": "image", "source": {"data": PICTURE}}]}]},
        {"content": "", "images": [PICTURE]},
    ],
    ids=["openai", "anthropic", "anthropic's tools", "ollama"],
)
def test_an_image_counts_as_one_on_every_wire(message: dict[str, Any]):
    assert 3000 <= _of(**message) < 3200
    of_google = {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": PICTURE}}]}]}
    assert 3000 <= estimated_tokens(json.dumps(of_google).encode()) < 3200


def test_text_that_looks_like_an_image_counts_as_the_text_that_it_is():
    asked = {"messages": [], "tools": [{"function": {"parameters": {"data": PICTURE, "url": URL}}}]}
    for tokens in (_of(PICTURE), _of([{"type": "text", "text": URL}]), estimated_tokens(json.dumps(asked).encode())):
        assert tokens >= len(PICTURE) // 2
    assert estimated_tokens(b"{" + PICTURE.encode()) >= len(PICTURE) // 2


@pytest.mark.parametrize(
    ("model", "seen", "counted"),
    [("gpt-5-mini", 0, 300), ("o3", 700, 700), ("openai/o4-mini", 0, 300), ("gemini-2.5-flash", 0, 300),
     ("gpt-4o-mini", 7, 7), ("o1x", 7, 7)],
)  # fmt: skip
def test_an_answer_that_broke_off_counts_what_its_model_may_have_thought(model: str, seen: int, counted: int):
    choice = ModelChoice(provider="openai", model=model)
    assert with_unseen(choice, seen, 3.0, most=4096) == counted
    assert with_unseen(choice, seen, 3000.0, most=500) in {500, seen}
