"""A run that waits for an approval: what it waits for is told, and its answer is there afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Answer, Api, Kgents
from .test_message import PATH, RUN, stream

RUNS = "/api/v1/runs/r-1"
APPROVAL = {"approval_id": "a-1", "tool": "mail.send\x1b[2J", "expires_at": "2026-11-28T10:00:00Z"}
WAITING: dict[str, Any] = {"run_id": "r-1", "status": "waiting_approval", "approvals": [APPROVAL]}
STORED: dict[str, Any] = {"text": None, "error": None, "ended_at": None, **WAITING}


def test_a_message_whose_run_waits_says_what_to_do_and_is_no_fault(kgents: Kgents, api: Api):
    api.will("POST", PATH, stream(("run", RUN), ("delta", {"text": "Let me"}), ("waiting_approval", RUN | WAITING)))
    ran = kgents("message", "my-agent", "Hi")
    assert (ran.code, ran.out) == (0, "Let me\n")
    for said in ("wants to call mail.send\\x1b[2J", "approvals show a-1", "approvals approve a-1", "runs show r-1"):
        assert said in ran.err


def test_in_json_it_is_one_object_too(kgents: Kgents, api: Api):
    api.will("POST", PATH, Answer(202, RUN | WAITING))
    assert kgents("message", "my-agent", "Hi", "--json").json["approvals"] == [APPROVAL]


def test_a_run_is_shown_as_it_stands(kgents: Kgents, api: Api):
    api.will("GET", RUNS, Answer(200, STORED))
    waiting = kgents("runs", "show", "r-1")
    assert (waiting.code, waiting.out) == (0, "")
    assert "approvals approve a-1" in waiting.err
    assert kgents("runs", "show", "r-1", "--json").json == STORED
    api.will("GET", RUNS, Answer(200, STORED | {"status": "completed", "text": "Sent.", "ended_at": "now"}))
    assert kgents("runs", "show", "r-1").out == "Sent.\n"
    error = {"code": "worker_lost", "detail": "The worker was lost.", "status": 503}
    api.will("GET", RUNS, Answer(200, STORED | {"status": "failed", "error": error, "ended_at": "now"}))
    failed = kgents("runs", "show", "r-1")
    assert failed.code == 1
    assert "The worker was lost." in failed.err


def test_a_run_is_waited_for(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    api.will("GET", RUNS, Answer(200, STORED))

    def decided(_: float) -> None:
        api.will("GET", RUNS, Answer(200, STORED | {"status": "completed", "text": "Sent.", "ended_at": "now"}))

    monkeypatch.setattr("kgents_cli.runs.time.sleep", decided)
    assert kgents("runs", "show", "r-1", "--wait").out == "Sent.\n"
