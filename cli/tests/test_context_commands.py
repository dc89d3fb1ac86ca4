"""What `kgents contexts …` asks of the API, and how it shows what that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

PATH = "/api/v1/multi_agent/context"
AGENT: dict[str, Any] = {
    "agent_id": "a-1", "agent": "writer", "role": "writes", "visibility": "shared", "healthy": True,
    "conversation_id": None, "joined_seq": 0, "joined_at": "2026-11-21T10:00:00Z", "left_at": None,
}  # fmt: skip
CONTEXT: dict[str, Any] = {
    "id": "c-1", "owner_id": "p-1", "name": "Tea", "collaboration_model": "parallel", "status": "active",
    "metadata": {}, "messages": 2, "agents": [AGENT, AGENT | {"agent": "editor", "left_at": "2026-11-21T11:00:00Z"}],
    "created_at": "2026-11-21T10:00:00Z", "last_activity": "2026-11-21T10:05:00Z",
}  # fmt: skip
TURN: dict[str, Any] = {
    "agent_id": "a-1", "agent": "writer", "round": 1, "status": "answered", "seq": 2, "text": "Leaves.",
    "run_id": "r-1", "error": None,
}  # fmt: skip
FAILED = TURN | {
    "agent": "editor", "status": "failed", "text": None, "error": {"code": "agent_starting", "detail": "Not yet."},
}  # fmt: skip
QUESTION: dict[str, Any] = {"kind": "person", "from_name": "u-1", "text": "What is tea?", "visible_to": None}
OTHERS: dict[str, Any] = QUESTION | {"from_name": "u-2", "text": "And coffee?"}
MESSAGE: dict[str, Any] = {"kind": "agent", "from_name": "writer", "text": "Leaves.", "visible_to": ["a-1"]}
METRICS: dict[str, Any] = {
    "messages": 2, "prompt_tokens": 5, "completion_tokens": 2, "cost": None,
    "agents": [
        {"agent": "writer", "answered": 1, "failed": 0, "prompt_tokens": 5, "completion_tokens": 2, "cost": "0.01",
         "mean_ms": 12.3, "p95_ms": None},
    ],
}  # fmt: skip


@pytest.fixture
def stored(api: Api) -> Api:
    for method, path, answer in (
        ("GET", PATH, Answer(200, {"items": [CONTEXT], "next_cursor": None})),
        ("POST", PATH, Answer(201, CONTEXT)),
        ("GET", f"{PATH}/c-1", Answer(200, CONTEXT)),
        ("PUT", f"{PATH}/c-1", Answer(200, CONTEXT | {"status": "closed"})),
        ("DELETE", f"{PATH}/c-1", Answer(204)),
        ("POST", f"{PATH}/c-1/agents", Answer(201, CONTEXT)),
        ("DELETE", f"{PATH}/c-1/agents/writer", Answer(204)),
        ("GET", f"{PATH}/c-1/history", Answer(200, {"items": [QUESTION, OTHERS, MESSAGE], "next_cursor": None})),
        ("GET", f"{PATH}/c-1/metrics", Answer(200, METRICS)),
        ("GET", "/api/v1/users/me", Answer(200, {"id": "u-1"})),
        ("POST", f"{PATH}/c-1/persist", Answer(200, {"version": 3})),
        ("GET", f"{PATH}/c-1/state", Answer(200, {"data": {"step": 1}})),
        ("POST", "/api/v1/multi_agent/message", Answer(200, {"answers": [TURN, FAILED]})),
    ):
        api.will(method, path, answer)
    return api


def sent(api: Api, method: str, path: str) -> Any:
    (body,) = api.bodies(method, path)
    return json.loads(body)


def test_a_context_is_made_shown_changed_and_deleted(kgents: Kgents, stored: Api):
    made = kgents("contexts", "create", "Tea", "--agent", "writer", "--agent", "editor", "--model", "sequential")
    assert (made.code, made.out) == (0, "c-1\n")
    assert sent(stored, "POST", PATH) == {
        "name": "Tea", "agents": [{"agent": "writer"}, {"agent": "editor"}], "collaboration_model": "sequential",
    }  # fmt: skip
    assert "c-1  Tea   active  writer  2         2026-11-21 10:05" in kgents("contexts", "list").out
    shown = kgents("contexts", "show", "c-1").out
    assert "writer  well   shared  2026-11-21 10:00  writes" in shown
    assert "editor  left" in shown
    assert "closed" in kgents("contexts", "update", "c-1", "--status", "closed").out
    assert sent(stored, "PUT", f"{PATH}/c-1") == {"status": "closed"}
    assert kgents("contexts", "update", "c-1").code == 2
    assert kgents("contexts", "join", "c-1", "writer", "--only-addressed").code == 0
    assert sent(stored, "POST", f"{PATH}/c-1/agents") == {"agent": "writer", "role": "", "visibility": "addressed"}
    assert kgents("contexts", "leave", "c-1", "writer").code == 0
    assert kgents("contexts", "delete", "c-1", "--yes").out == "The context Tea is deleted.\n"


def test_what_is_said_is_answered_under_each_agents_name(kgents: Kgents, stored: Api, tmp_path: Path):
    ran = kgents("contexts", "say", "c-1", "What is tea?", "--to", "writer", "--to", "editor", "--private")
    assert (ran.code, ran.out) == (0, "writer:\nLeaves.\n")
    assert "editor gave no answer: Not yet." in ran.err
    assert sent(stored, "POST", "/api/v1/multi_agent/message") == {
        "context_id": "c-1", "text": "What is tea?", "to": ["writer", "editor"], "private": True, "rounds": 1,
    }  # fmt: skip
    stored.will("POST", "/api/v1/multi_agent/message", Answer(200, {"answers": [FAILED]}))
    assert kgents("contexts", "say", "c-1", "Well?").code == 1
    said = "you:\nWhat is tea?\nu-2:\nAnd coffee?\nwriter (private):\nLeaves.\n"
    assert kgents("contexts", "history", "c-1").out == said
    assert "writer  1         0       7       0.01 USD  12 ms  -" in kgents("contexts", "metrics", "c-1").out
    file = tmp_path / "state.json"
    file.write_text('{"step": 2}')
    assert kgents("contexts", "persist", "c-1", str(file)).out == "Kept as version 3.\n"
    assert sent(stored, "POST", f"{PATH}/c-1/persist") == {"data": {"step": 2}}
    for text in ("{", "[1]"):
        file.write_text(text)
        assert kgents("contexts", "persist", "c-1", str(file)).code == 2
    assert kgents("contexts", "state", "c-1").json == {"step": 1}
