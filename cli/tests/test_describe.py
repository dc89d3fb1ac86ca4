"""`kgents create --describe`: what the server is asked, what is shown of the drafting, what is written."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

FAULT = {"loc": ["limits", "max_steps"], "msg": "is too much", "code": "over_system_limit", "hint": "choose 50"}
LEFT = {"loc": ["tools", "allow", "bank.pay"], "msg": "was left out", "code": "left_out_of_draft", "hint": None}
DRAFTING: dict[str, Any] = {
    "id": "d-1",
    "state": "drafted",
    "agent": {"id": "a-1", "name": "desk", "version": None},
    "definition": 'name = "desk"\nsystem_prompt = "Answer."\n',
    "scenarios_file": 'agent = "desk.toml"\n[[case]]\nname = "hours"\n',
    "attempts": [{"faults": [FAULT]}, {"faults": []}],
    "left_out": [LEFT],
    "warnings": [{"loc": ["llm", "model"], "msg": "is not known", "code": "unknown_model", "hint": None}],
    "scenarios": [
        {"name": "hours", "status": "failed", "failures": ["turn 1: contains: nine is not in it"], "transcript": []}
    ],
    "notes": ["The scenarios were tried without the agent's tools."],
}


def test_the_drafted_definition_is_shown_with_all_that_is_to_be_said_of_it(kgents: Kgents, api: Api):
    api.will("POST", "/api/v1/nl/agents", Answer(201, DRAFTING))
    ran = kgents("create", "--describe", "A desk", "--name", "desk", "--model", "m", "--organisation", "acme")
    assert (ran.code, ran.out) == (0, 'name = "desk"\nsystem_prompt = "Answer."\n')
    [body] = api.bodies("POST", "/api/v1/nl/agents")
    assert json.loads(body) == {"description": "A desk", "llm": {"model": "m"}, "publish": False, "name": "desk"}
    assert any("organisation=acme" in seen.path for seen in api.seen)
    for line in (
        "repaired: draft 1: limits.max_steps: is too much (choose 50)",
        "left out: tools.allow.bank.pay: was left out",
        "warning: llm.model: is not known [unknown_model]",
        "scenario: hours: failed",
        "scenario:   turn 1: contains: nine is not in it",
        "note: The scenarios were tried without the agent's tools.",
        "desk: draft made, nothing runs yet.",
        "Publish it:  kgents agents publish desk",
    ):
        assert line in ran.err.splitlines()


def test_the_definition_and_its_scenarios_go_into_files_of_ones_own(kgents: Kgents, api: Api, tmp_path: Path):
    api.will("POST", "/api/v1/nl/agents", Answer(201, DRAFTING))
    out = tmp_path / "front.toml"
    ran = kgents("create", "--describe", "A desk", "--out", str(out))
    assert ran.code == 0, ran.err
    assert out.read_text() == DRAFTING["definition"]
    scenarios = tmp_path / "front.scenarios.toml"
    assert scenarios.read_text().startswith('agent = "front.toml"\n')
    assert f"Try it:      kgents test-agent {scenarios} --real" in ran.out
    again = kgents("create", "--describe", "A desk", "--out", str(out))
    assert (again.code, "is there already" in again.err) == (2, True)
    nowhere = kgents("create", "--describe", "A desk", "--out", str(tmp_path / "no" / "a.toml"))
    assert (nowhere.code, "is no folder" in nowhere.err) == (2, True)
    assert len(api.bodies("POST", "/api/v1/nl/agents")) == 1


def test_the_scenarios_name_a_file_whatever_it_is_called(kgents: Kgents, api: Api, tmp_path: Path):
    api.will("POST", "/api/v1/nl/agents", Answer(201, DRAFTING))
    out = tmp_path / 'the "front" \\ é.toml'
    assert kgents("create", "--describe", "A desk", "--out", str(out)).code == 0
    assert tomllib.loads((tmp_path / f"{out.stem}.scenarios.toml").read_text("utf-8"))["agent"] == out.name


def test_a_flow_is_written_as_langflow_imports_it_and_its_prompt_is_shown(kgents: Kgents, api: Api, tmp_path: Path):
    model = {"type": "LanguageModelComponent", "node": {"template": {"system_message": {"value": "Be a desk."}}}}
    flow = json.dumps({"name": "desk", "data": {"nodes": [{"data": model}], "edges": []}})
    drafting = {**DRAFTING, "kind": "flow", "definition": flow, "scenarios_file": None}
    api.will("POST", "/api/v1/nl/agents", Answer(201, drafting), Answer(201, drafting))
    out = tmp_path / "desk.json"
    ran = kgents("create", "--describe", "A desk", "--flow", "--out", str(out))
    assert (ran.code, out.read_text(), list(tmp_path.glob("desk*"))) == (0, flow, [out])
    assert json.loads(api.bodies("POST", "/api/v1/nl/agents")[0])["kind"] == "flow"
    assert "prompt: Be a desk." in ran.err.splitlines()
    assert "Try it:" not in ran.out
    assert json.loads(kgents("create", "--describe", "A desk", "--flow").out) == json.loads(flow)


def test_what_was_published_is_waited_for(kgents: Kgents, api: Api):
    agent = {"id": "a-1", "name": "desk", "version": 1}
    api.will("POST", "/api/v1/nl/agents", Answer(201, {**DRAFTING, "state": "published", "agent": agent}))
    ready = {"id": "i-1", "state": "ready", "version": 1, "last_error": None}
    found = {"items": [{"instances": [ready]}], "next_cursor": None}
    api.will("GET", "/api/v1/agents/desk/deployments", Answer(200, found))
    ran = kgents("create", "--describe", "A desk", "--publish", "--json")
    assert (ran.code, ran.json["instance"]["state"]) == (0, "ready")


def test_a_description_can_come_through_a_pipe(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    api.will("POST", "/api/v1/nl/agents", Answer(201, DRAFTING))
    for said, code in ((b"A d\xc3\xa9sk", 0), (b"\xff", 2)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said)))
        assert kgents("create", "--describe", "-").code == code
    [body] = api.bodies("POST", "/api/v1/nl/agents")
    assert json.loads(body)["description"] == "A désk"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (409, "model_needed", "OPENAI_API_KEY"),
        (422, "draft_not_valid", "max_steps: is too much (choose 50)"),
        (429, "too_many_drafts", "wait a moment"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(kgents: Kgents, api: Api, status: int, code: str, said: str):
    problem = {"detail": "It is refused.", "code": code, "errors": [FAULT] if status == 422 else []}
    api.will("POST", "/api/v1/nl/agents", Answer(status, problem))
    ran = kgents("create", "--describe", "A desk")
    assert ran.code == (2 if status in {409, 422} else 1)
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--template", "chatbot", "--describe", "x"), "name one of"),
        (("--config", "a.toml", "--publish"), "--publish goes with --describe"),
        (("--config", "a.toml", "--flow"), "--flow goes with --describe"),
        (("--template", "chatbot", "--model", "m"), "--model goes with --describe"),
        (("--describe", "x", "--publish", "--draft"), "say opposite things"),
        (("--describe", "x", "--require-tests", "a.toml"), "--require-tests goes with --config"),
    ],
)
def test_what_does_not_go_together_is_refused(kgents: Kgents, arguments: tuple[str, ...], said: str):
    ran = kgents("create", *arguments)
    assert (ran.code, said in ran.err) == (2, True)
