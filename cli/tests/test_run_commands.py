"""Runs that nobody waits for, from the command line: begun, listed, watched to the end, cancelled."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents
from .test_message import stream

ID = "0199c0de-0000-7000-8000-000000000000"
RUN: dict[str, Any] = {"run_id": ID, "conversation_id": "c-1", "status": "running"}
EVENTS = f"/api/v1/runs/{ID}/events"
CALL = {"role": "assistant", "text": "", "tool_calls": [{"id": "1", "name": "time.now", "arguments": {"zone": "UTC"}}]}
FAILED = {"number": 1, "code": "provider_error", "detail": "It broke.", "next_at": "2026-11-21T10:00:00Z"}


def at_once(_: float) -> None:
    """In place of a pause."""


def test_a_message_in_the_background_prints_its_run(kgents: Kgents, api: Api):
    path = "/api/v1/agents/my-agent/runs"
    api.will("POST", path, Answer(202, RUN))
    ran = kgents("message", "my-agent", "Hello", "--background", "--deadline", "3600", "--tries", "3")
    assert (ran.code, ran.out) == (0, f"{ID}\n")
    assert f"kgents runs watch {ID}" in ran.err
    assert json.loads(api.bodies("POST", path)[0]) == {
        "text": "Hello", "deadline_s": 3600, "retry": {"attempts": 3},
    }  # fmt: skip
    assert kgents("message", "my-agent", "Hello", "--background", "--json").json == RUN
    for words in (["--tries", "2"], ["--background", "--continue"], ["--background", "--tries", "6"]):
        assert kgents("message", "my-agent", "Hello", *words).code == 2


def test_runs_are_listed(kgents: Kgents, api: Api):
    row = {
        **RUN, "agent": "my-agent", "version": 3, "usage": None, "error": {"code": "worker_lost"},
        "created_at": "2026-11-21T09:30:00Z", "started_at": None, "ended_at": None,
    }  # fmt: skip
    api.will("GET", "/api/v1/runs", Answer(200, {"items": [row], "next_cursor": None}))
    shown = kgents("runs", "list", "--agent", "my-agent", "--status", "running").out
    for said in (ID, "running", "my-agent@3", "2026-11-21 09:30", "worker_lost"):
        assert said in shown
    assert api.seen[-1].path == "/api/v1/runs?agent=my-agent&status=running"
    assert kgents("runs", "list", "--json").json == [row]


def test_a_run_is_cancelled(kgents: Kgents, api: Api):
    api.will("POST", f"/api/v1/runs/{ID}/cancel", Answer(200, RUN | {"status": "cancelled"}))
    assert kgents("runs", "cancel", ID).out == f"cancelled: {ID}\n"


def test_a_run_is_watched_to_its_end_and_on_behind_what_was_heard(
    kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kgents_cli.runs.time.sleep", at_once)
    begun = stream(("run", RUN), ("step", CALL), ("retrying", FAILED), ("delta", {"text": "It is"}))
    begun = replace(begun, body=str(begun.body).replace("event: step", "id: c-1:2\nevent: step"))
    rest = stream(("run", RUN), ("delta", {"text": "It"}), ("completed", RUN | {"text": "It is noon."}))
    api.will("GET", EVENTS, begun, rest)
    ran = kgents("runs", "watch", ID)
    assert (ran.code, ran.out) == (0, "It is\nIt is noon.\n")
    for said in ('calls time.now {"zone": "UTC"}', "Try 1 failed: It broke.", "2026-11-21T10:00:00Z"):
        assert said in ran.err
    asked = [{name.lower(): value for name, value in seen.headers.items()} for seen in api.seen if seen.path == EVENTS]
    assert [headers.get("last-event-id") for headers in asked] == [None, "c-1:2"]
    lines = [json.loads(line) for line in kgents("runs", "watch", ID, "--json").out.splitlines()]
    assert [line["event"] for line in lines] == ["run", "delta", "completed"]
    problem = {"code": "cancelled", "detail": "The run was cancelled.", "status": 409}
    api.will("GET", EVENTS, stream(("run", RUN), ("cancelled", RUN | problem)))
    ended = kgents("runs", "watch", ID)
    assert (ended.code, "the run was cancelled" in ended.err) == (1, True)
    # Pieces that were void, and what another front told instead.
    api.will("GET", EVENTS, stream(("run", RUN), ("delta", {"text": "It w"}), ("completed", RUN | {"text": "It is."})))
    assert kgents("runs", "watch", ID).out == "It w\nIt is.\n"


@pytest.mark.parametrize("status", [409, 422, 502])
def test_a_run_that_failed_is_exit_1_whoever_is_to_blame(kgents: Kgents, api: Api, status: int):
    error = {"code": "cancelled", "detail": "The run was cancelled.", "status": status}
    api.will("GET", f"/api/v1/runs/{ID}", Answer(200, RUN | {"status": "failed", "text": None, "error": error}))
    ran = kgents("runs", "show", ID)
    assert (ran.code, ran.out, "The run was cancelled." in ran.err) == (1, "", True)


def test_an_id_that_is_none_is_told_without_the_name_of_a_field(kgents: Kgents, api: Api):
    fault = {"loc": ["path", "run_id"], "msg": "is no id", "code": "uuid_parsing", "hint": "copy it whole"}
    api.will("GET", "/api/v1/runs/x", Answer(422, {"detail": "The request has faults.", "errors": [fault]}))
    ran = kgents("runs", "show", "x")
    assert (ran.code, ran.err) == (2, "kgents: run: is no id (copy it whole)\n")
