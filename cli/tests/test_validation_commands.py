"""`kgents validate`, `schema` and `explain`: faults as compilers write them, and what editors and people read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from kgents_shared.definitions.schema import agent_schema
from kgents_shared.errors.catalogue import known_codes

from .conftest import Answer, Api, Kgents

BAD = 'name = "Bad Name"\nsytem_prompt = "x"\n[tools]\nallow = ["no tool"]\n'
WARNED = 'name = "good"\nsystem_prompt = "x"\n[tools]\nallow = ["*"]\n'


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    return tmp_path / "my-agent.toml"


def test_faults_are_told_with_line_column_hint_and_code_and_exit_2(kgents: Kgents, agent_file: Path):
    agent_file.write_text(BAD)
    ran = kgents("validate", str(agent_file))
    assert ran.code == 2
    lines = ran.out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{agent_file}:1:1: error: system_prompt: ")
    assert lines[1].startswith(f"{agent_file}:1:8: error: name: ")
    assert lines[2].startswith(f"{agent_file}:2:1: error: sytem_prompt: ")
    assert 'did you mean "system_prompt"?' in lines[2]
    assert lines[2].endswith("[extra_forbidden]")
    assert "4 errors" in ran.err
    assert "kgents explain missing" in ran.err


def test_json_has_errors_and_warnings_alone(kgents: Kgents, agent_file: Path):
    agent_file.write_text(BAD)
    ran = kgents("validate", str(agent_file), "--json")
    assert ran.code == 2
    assert set(ran.json) == {"errors", "warnings"}
    assert [fault["line"] for fault in ran.json["errors"]] == [1, 1, 2, 4]
    assert all(set(fault) == {"loc", "msg", "code", "hint", "line", "column"} for fault in ran.json["errors"])


def test_a_warning_is_shown_and_is_no_failure(kgents: Kgents, agent_file: Path):
    agent_file.write_text(WARNED)
    ran = kgents("validate", str(agent_file))
    assert ran.code == 0
    assert f"{agent_file}:4:10: warning: tools.allow.0: allows every tool" in ran.out
    assert f"{agent_file}: valid, 1 warning" in ran.out
    assert kgents("validate", str(agent_file), "--json").json["errors"] == []


def test_a_valid_file_is_said_to_be_valid(kgents: Kgents, agent_file: Path):
    agent_file.write_text('name = "good"\nsystem_prompt = "x"\n')
    ran = kgents("validate", str(agent_file))
    assert (ran.code, ran.out, ran.err) == (0, f"{agent_file}: valid\n", "")


@pytest.mark.parametrize(
    ("text", "code"), [('{"name": 1}', "string_type"), ("name = 1", "string_type"), ("{", "json_syntax")]
)
def test_standard_input_is_toml_or_json(kgents: Kgents, monkeypatch: pytest.MonkeyPatch, text: str, code: str):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ran = kgents("validate", "-", "--json")
    assert ran.code == 2
    assert code in {fault["code"] for fault in ran.json["errors"]}


def test_a_file_named_json_is_read_as_json(kgents: Kgents, tmp_path: Path):
    file = tmp_path / "agent.JSON"
    file.write_text('{"name": "good",\n "system_prompt": 1}')
    ran = kgents("validate", str(file))
    assert ran.code == 2
    assert ran.out.startswith(f"{file}:2:19: error: system_prompt: ")


def test_a_file_that_is_not_there_is_exit_2(kgents: Kgents, tmp_path: Path):
    ran = kgents("validate", str(tmp_path / "none.toml"))
    assert ran.code == 2
    assert "No such file" in ran.err


def test_an_organisation_means_nothing_without_the_server(kgents: Kgents, agent_file: Path):
    ran = kgents("validate", str(agent_file), "--organisation", "acme")
    assert ran.code == 2
    assert "--server" in ran.err


def test_what_would_steer_the_terminal_is_made_visible(kgents: Kgents, agent_file: Path):
    agent_file.write_text('name = "good"\nsystem_prompt = "x"\n"\\u001b[2J" = 1\n')
    ran = kgents("validate", str(agent_file))
    assert "\x1b" not in ran.out
    assert "\\x1b[2J" in ran.out


def test_the_server_is_asked_with_the_text_as_it_is(kgents: Kgents, api: Api, agent_file: Path):
    fault = {"loc": ["tools", "allow", 0], "msg": "is no tool", "code": "tool_not_registered", "hint": None}
    report = {"errors": [], "warnings": [{**fault, "line": 4, "column": 10}]}
    api.will("POST", "/api/v1/agents/validate", Answer(200, report))
    api.will("POST", "/api/v1/auth/login", Answer(200, {"access_token": "token-1", "expires_in": 900}))
    agent_file.write_text(WARNED)
    ran = kgents("validate", str(agent_file), "--server", "--organisation", "acme")
    assert ran.code == 0, ran.err
    assert f"{agent_file}:4:10: warning: tools.allow.0: is no tool [tool_not_registered]" in ran.out
    (asked,) = [seen for seen in api.seen if seen.path.startswith("/api/v1/agents")]
    assert (asked.path, asked.body) == ("/api/v1/agents/validate?organisation=acme", WARNED)
    assert asked.headers["content-type"] == "application/toml"


def test_create_warns_of_what_is_likely_a_mistake_and_does_its_work(kgents: Kgents, api: Api, agent_file: Path):
    api.will("POST", "/api/v1/auth/login", Answer(200, {"access_token": "token-1", "expires_in": 900}))
    api.will("POST", "/api/v1/agents", Answer(201, {"name": "good", "organisation": None}))
    agent_file.write_text(WARNED)
    ran = kgents("create", "--config", str(agent_file), "--draft")
    assert ran.code == 0, ran.err
    assert f"{agent_file}:4:10: warning: tools.allow.0: allows every tool" in ran.err
    assert "good: draft made" in ran.out
    assert kgents("create", "--config", str(agent_file), "--draft", "--json").err == ""


def test_the_schema_is_printed_or_written(kgents: Kgents, tmp_path: Path):
    assert kgents("schema").json == agent_schema()
    file = tmp_path / "agent.schema.json"
    assert kgents("schema", "--output", str(file)).out == ""
    assert json.loads(file.read_text()) == agent_schema()
    assert kgents("schema", "--format", "markdown").out.startswith("# Agent definitions")


def test_a_code_is_explained(kgents: Kgents):
    ran = kgents("explain", "idle_deny")
    assert known_codes()["idle_deny"].means in ran.out
    as_json = kgents("explain", "idle_deny", "--json").json
    assert as_json["remedy"] == known_codes()["idle_deny"].remedy


def test_a_code_that_is_none_is_told_the_nearest(kgents: Kgents):
    ran = kgents("explain", "idle_denny")
    assert ran.code == 2
    assert "did you mean idle_deny?" in ran.err


def test_a_file_without_end_is_refused_before_it_fills_the_memory(kgents: Kgents):
    for words in (("validate", "/dev/zero"), ("create", "--config", "/dev/zero")):
        ran = kgents(*words)
        assert ran.code == 2
        assert "/dev/zero is longer than 4 MiB" in ran.err
