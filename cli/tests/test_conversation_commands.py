"""What `kgents conversations …` asks of the API, and how it shows what that answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

PATH = "/api/v1/conversations"
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "text": "What time is it?", "tool_calls": [], "images": ["image/png"]},
    {"role": "assistant", "text": "", "tool_calls": [{"id": "c1", "name": "time.now", "arguments": {"zone": "UTC"}}]},
    {"role": "tool", "text": "noon", "tool_calls": []},
    {"role": "assistant", "text": "Noon.", "tool_calls": []},
]
CONTEXT: dict[str, Any] = {
    "conversation_id": "c-1", "agent": "helper", "tokens": 120, "window_tokens": 16000, "gap": True,
    "summary": "They talked of time.", "elsewhere": [{"agent": "second", "summary": "Of space."}],
    "facts": [{"key": "name", "text": "Ada", "shared": True}], "messages": MESSAGES,
}  # fmt: skip


@pytest.fixture
def stored(api: Api) -> Api:
    one = {"id": "c-1", "agent": "helper", "lane": "stable", "created_at": "2026-11-21T10:00:00Z"}
    for path in (PATH, "/api/v1/agents/helper/conversations"):
        api.will("GET", path, Answer(200, {"items": [one], "next_cursor": None}))
    api.will("GET", f"{PATH}/c-1/messages", Answer(200, {"items": MESSAGES, "next_cursor": None}))
    api.will("GET", f"{PATH}/c-1/context", Answer(200, CONTEXT))
    api.will("PUT", f"{PATH}/c-1/facts/name", Answer(200, CONTEXT["facts"][0]))
    for method, path in (("DELETE", "c-1/facts/name"), ("POST", "c-1/reset"), ("DELETE", "c-1")):
        api.will(method, f"{PATH}/{path}", Answer(204))
    return api


def test_conversations_are_listed_and_shown(kgents: Kgents, stored: Api):
    for arguments in ((), ("--agent", "helper")):
        head, row = kgents("conversations", "list", *arguments).out.splitlines()
        assert head.split("  ")[0] == "ID"
        assert row.split() == ["c-1", "helper", "stable", "2026-11-21", "10:00", "person"]
    assert kgents("conversations", "show", "c-1").out.splitlines() == [
        "you: What time is it?", "  with image/png", "agent:", '  calls time.now {"zone": "UTC"}', "tool: noon",
        "agent: Noon.",
    ]  # fmt: skip
    assert kgents("conversations", "show", "c-1", "--json").json == MESSAGES


def test_a_context_is_shown_as_the_model_would_be(kgents: Kgents, stored: Api):
    assert kgents("conversations", "context", "c-1").out.splitlines()[:6] == [
        "helper: about 120 of 16000 tokens, 4 messages",
        "pinned   name: Ada (in all conversations that share)",
        "elsewhere, with second: Of space.",
        "summary  They talked of time.",
        "Some earlier messages are neither shown nor summarised.",
        "you: What time is it?",
    ]
    assert kgents("conversations", "context", "c-1", "--json").json == CONTEXT


def test_facts_are_pinned_and_contexts_reset(kgents: Kgents, stored: Api):
    ran = kgents("conversations", "pin", "c-1", "name", "Ada")
    assert (ran.code, ran.out) == (0, "name is pinned in all conversations that share what is remembered.\n")
    assert json.loads(stored.bodies("PUT", f"{PATH}/c-1/facts/name")[0]) == {"text": "Ada"}
    assert kgents("conversations", "unpin", "c-1", "name").code == 0
    assert kgents("conversations", "reset", "c-1").code == 0
    refused = kgents("conversations", "delete", "c-1")
    assert (refused.code, stored.bodies("DELETE", f"{PATH}/c-1")) != (0, [b""])
    assert kgents("conversations", "delete", "c-1", "--yes").out == "The conversation is deleted.\n"
