"""What `kgents trace` and `kgents replay` ask of the API, and what a person reads."""

from __future__ import annotations

import json
import re
from typing import Any

from .conftest import Answer, Api, Kgents

RUN = "0199c0de-0000-7000-8000-000000000001"
PATH = f"/api/v1/runs/{RUN}/trace"


def span(name: str, kind: str, parent: str | None, at: tuple[float, float | None], **more: Any) -> dict[str, Any]:
    begins, lasts = at
    found: dict[str, Any] = {
        "id": name, "parent_id": parent, "kind": kind, "name": name, "status": "ok", "matched": True, "error": None,
        "started_at": "2026-11-21T10:00:00Z", "ended_at": None if lasts is None else "2026-11-21T10:00:01Z",
        "offset_ms": begins, "duration_ms": lasts, "run": None, "model_call": None, "tool_call": None, "context": None,
    }  # fmt: skip
    return found | more


def traced(status: str = "failed") -> dict[str, Any]:
    run = {"status": status, "attempts": 2, "waited_s": 0, "question": "What\x1b[2J time?", "answer": None}
    model = {
        "estimated": False, "prompt_tokens": 90, "completion_tokens": 7, "first_token_ms": 120, "tries": 2,
        "cost": "0.0012", "cost_currency": "USD", "from_cache": False, "prompt": {"messages": [{"role": "user"}]},
    }  # fmt: skip
    decision = {
        "outcome": "denied", "denied_by": {"level": "policy", "rule": "no-mail"}, "approval_status": None,
        "decided_by": None,
    }  # fmt: skip
    tool = {
        "arguments": {"to": "ada"}, "decision": decision, "result": "It may not be called.", "dispatches": 1,
        "cost": None, "cost_currency": None,
    }  # fmt: skip
    shortened = {"forgotten": 9, "summarised": True, "tokens_before": 900, "tokens_after": 300}
    failed = {"code": "denied", "detail": "It may not be called."}
    return {
        "run_id": RUN, "conversation_id": "c", "status": status, "started_at": "2026-11-21T10:00:00Z",
        "duration_ms": 2000, "failed_at": ["helper@1"], "registry": "asked", "left_out": 0,
        "totals": {
            "runs": 1, "model_calls": 1, "model_ms": 1500.0, "tool_calls": 1, "tool_ms": 400.0, "prompt_tokens": 90,
            "completion_tokens": 7, "failed": 1, "cost": "0.0012", "cost_currency": "USD", "cost_is_whole": True,
        },
        "spans": [
            span("helper@1", "run", None, (0, 2000), status="error", run=run),
            span("context", "context", "helper@1", (0, 0), context=shortened),
            span("step 1", "step", "helper@1", (0, 1900)),
            span("openai/m", "model_call", "step 1", (0, 1500), model_call=model),
            span("mail.send", "tool_call", "step 1", (1500, 400), status="error", tool_call=tool, error=failed),
        ],
    }  # fmt: skip


def test_a_trace_is_a_tree_with_times_and_what_was_decided(kgents: Kgents, api: Api):
    api.will("GET", PATH, Answer(200, traced()))
    ran = kgents("trace", RUN)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [re.split(r"(?<=\S)\s{2,}", line)[0] for line in lines if "█" in line] == [
        "helper@1", "├─ context", "└─ step 1", "   ├─ openai/m", '   └─ mail.send {"to": "ada"}',
    ]  # fmt: skip
    assert "9 messages summarised, 900 → 300 tokens" in ran.out
    assert "90 → 7 tokens, first after 120 ms, 2 tries, 0.0012 USD" in ran.out
    assert "✗ denied: It may not be called." in ran.out
    assert 'denied by {"level": "policy", "rule": "no-mail"}' in ran.out
    assert "“What\\x1b[2J time?”" in ran.out
    assert lines[-1] == ("2.00 s in all: 1.50 s in 1 model call, 400 ms in 1 tool call; 90 → 7 tokens, 0.0012 USD")
    assert '"messages"' not in ran.out
    assert '"messages": [' in kgents("trace", RUN, "--prompts").out


def test_what_is_wanted_is_asked_of_the_server(kgents: Kgents, api: Api):
    api.will("GET", PATH, Answer(200, {**traced(), "spans": [], "registry": "away"}))
    ran = kgents("trace", RUN, "--kind", "tool_call", "--kind", "run", "--find", "x y", "--slower-than", "5", "--full")
    asked = "kind=tool_call&kind=run&q=x+y&slower_than_ms=5.0&most_chars=1000000&prompts=false"
    assert api.seen[-1].path == f"{PATH}?{asked}"
    assert ran.out == "Nothing of the run is like that.\n"
    assert "can't be asked" in ran.err
    assert kgents("trace", RUN, "--json").json["run_id"] == RUN
    assert api.seen[-1].path == f"{PATH}?prompts=true"
    assert kgents("trace", "").code == 2


def test_a_run_that_goes_on_is_followed_to_its_end(kgents: Kgents, api: Api):
    going = traced("running")
    for one in (going["spans"][0], going["spans"][2], going["spans"][4]):
        one |= {"ended_at": None, "duration_ms": None}
    api.will("GET", PATH, Answer(200, going), Answer(200, traced()))
    told = [json.loads(line)["name"] for line in kgents("trace", RUN, "--follow", "--json").out.splitlines()]
    assert told == ["context", "openai/m", "helper@1", "step 1", "mail.send"]


def test_a_replay_is_begun_waited_for_and_told_beside_its_run(kgents: Kgents, api: Api):
    again = RUN.replace("1", "2")
    side = {
        "run_id": RUN, "version": 3, "status": "completed", "models": ["openai/m"], "answer": "Four.", "error": None,
        "model_calls": 2, "tool_calls": 1, "prompt_tokens": 90, "completion_tokens": 7, "cost": "0.0012",
        "cost_currency": "USD", "duration_ms": 1500.0, "model_ms": 1200.0,
    }  # fmt: skip
    other = {**side, "run_id": again, "version": 4, "cost": None, "answer": "Five."}
    call = {"tool": "math.add", "arguments": {"a": 2}, "result": "4", "is_error": False}
    comparison = {
        "first": side, "second": other, "same_steps": False, "same_answer": False, "difference": {},
        "steps": [
            {"change": "same", "first": {"text": "", "calls": [call]}, "second": {"text": "", "calls": [call]}},
            {"change": "second_only", "first": None, "second": {"text": "Five.", "calls": []}},
        ],
        "answer_diff": ["--- first", "+++ second", "@@ -1 +1 @@", "-Four.", "+Five."],
    }  # fmt: skip
    started = {"run_id": again, "conversation_id": "c", "replay_of": RUN, "status": "running"}
    starting = Answer(503, {"detail": "The version is being started.", "code": "agent_starting"})
    api.will("POST", f"/api/v1/runs/{RUN}/replay", starting, Answer(202, started))
    running = {**started, "ended_at": None, "usage": None}
    done = {**started, "status": "completed", "ended_at": "2026-11-21T10:00:01Z", "usage": {"model_calls": 2}}
    api.will("GET", f"/api/v1/runs/{again}", Answer(200, running), Answer(200, done))
    api.will("GET", f"/api/v1/runs/{RUN}/comparison", Answer(200, comparison))
    ran = kgents("replay", RUN, "--version", "4", "--model", "m")
    assert ran.code == 0, ran.err
    assert json.loads(api.bodies("POST", f"/api/v1/runs/{RUN}/replay")[-1]) == {"version": 4, "model": "m"}
    lines = ran.out.splitlines()
    assert lines[0].split() == ["run", "replay"]
    assert ["version", "3", "4"] in [line.split() for line in lines]
    assert [line for line in lines if " step " in line] == ['= step 1: math.add {"a": 2}', "+ step 2: the answer"]
    assert lines[-2:] == ["-Four.", "+Five."]
    assert kgents("replay", RUN, "--json").json["second"]["version"] == 4
