"""What the commands ask of the API, and how they show what it answers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from kgents_cli.home import Home

from .conftest import Answer, Api, Kgents

READY = {
    "id": "i-1",
    "state": "ready",
    "version": 2,
    "pid": 41,
    "restarts": 0,
    "last_error": None,
    "usage": {"cpu_s": 0.5, "memory_mb": 9.1},
}
DEPLOYMENTS = "/api/v1/agents/my-agent/deployments"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "my-agent.toml"
    file.write_text('name = "my-agent"\nsystem_prompt = "Be brief."\n')
    return file


def publishable(api: Api) -> None:
    api.will("POST", "/api/v1/agents", Answer(201, {"id": "a-1", "name": "my-agent"}))
    api.will("PUT", "/api/v1/agents/my-agent", Answer(200, {"id": "a-1", "name": "my-agent"}))
    api.will("POST", "/api/v1/agents/my-agent/publish", Answer(200, {"name": "my-agent", "version": 2}))
    starting = {"items": [{"instances": [READY | {"state": "starting"}]}], "next_cursor": None}
    old = {"items": [{"instances": [READY | {"version": 1}]}], "next_cursor": None}
    both = {"items": [{"instances": [READY | {"version": 1}, READY]}], "next_cursor": None}
    ready = {"items": [{"instances": [READY | {"version": 1, "state": "draining"}, READY]}], "next_cursor": None}
    unknown = Answer(404, {"detail": "no such agent", "code": "not_found"})
    api.will("GET", DEPLOYMENTS, unknown, *(Answer(200, row) for row in (old, starting, both, ready)))


def test_token_logs_in_once_and_keeps_the_token_private(kgents: Kgents, api: Api, home: Home):
    assert kgents("token").out == "token-1\n"
    assert kgents("token").out == "token-1\n"
    assert [json.loads(body) for body in api.bodies("POST", "/auth/login")] == [
        {"email": "admin@localhost", "password": "long enough"}
    ]
    assert home.token_file.stat().st_mode & 0o777 == 0o600


def test_token_logs_in_again_shortly_before_the_token_expires(kgents: Kgents, api: Api):
    api.will("POST", "/auth/login", Answer(200, {"access_token": "short", "expires_in": 60}))
    kgents("token")
    kgents("token")
    assert len(api.bodies("POST", "/auth/login")) == 2


def test_token_from_the_environment_is_printed_as_it_is(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KGENTS_TOKEN", "given")
    assert kgents("token").out == "given\n"
    assert api.seen == []


def test_a_login_that_is_refused_is_told(kgents: Kgents, api: Api):
    api.will("POST", "/auth/login", Answer(401, {"detail": "address or password is wrong", "code": "login_failed"}))
    ran = kgents("token")
    assert (ran.code, ran.out) == (1, "")
    assert "address or password is wrong" in ran.err


def test_a_home_without_an_admin_says_what_to_set(kgents: Kgents, api: Api, home: Home):
    home.admin_file.unlink()
    ran = kgents("agents", "list")
    assert ran.code == 1
    assert "KGENTS_TOKEN" in ran.err
    assert api.seen == []


def test_a_kept_token_that_is_no_longer_accepted_is_replaced_without_a_word(kgents: Kgents, api: Api):
    refused = Answer(401, {"detail": "the token is revoked", "code": "token_revoked"})
    api.will("GET", "/api/v1/agents", refused, Answer(200, {"items": [], "next_cursor": None}))
    ran = kgents("agents", "list", "--json")
    assert (ran.code, ran.json) == (0, [])
    assert len(api.bodies("POST", "/auth/login")) == 2


def test_create_makes_publishes_and_waits_for_the_very_version(kgents: Kgents, api: Api, config: Path):
    publishable(api)
    ran = kgents("create", "--config", str(config))
    assert ran.code == 0, ran.err
    assert "my-agent version 2 is running." in ran.out
    assert 'kgents message my-agent "Hello"' in ran.out
    [sent] = [seen for seen in api.seen if seen.method == "POST" and seen.path == "/api/v1/agents"]
    assert sent.body == config.read_text()
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert headers["content-type"] == "application/toml"
    assert headers["authorization"] == "Bearer token-1"
    assert headers["idempotency-key"]
    assert len(api.bodies("GET", DEPLOYMENTS)) == 5


def test_create_updates_an_agent_of_that_name(kgents: Kgents, api: Api, config: Path):
    publishable(api)
    api.will("POST", "/api/v1/agents", Answer(409, {"detail": "the name is taken", "code": "name_taken"}))
    ran = kgents("create", "--config", str(config), "--json")
    assert ran.code == 0
    assert ran.json["version"] == 2
    assert ran.json["instance"]["pid"] == 41
    assert api.bodies("PUT", "/api/v1/agents/my-agent") == [config.read_text()]


def test_a_publish_waits_for_the_version_labelled_stable_and_says_so(kgents: Kgents, api: Api):
    stable = {"label": "stable", "version": 2, "share": 100}
    published = {"name": "my-agent", "version": 3, "labels": [stable], "draft": {"name": "my-agent"}}
    gone = {"loc": ["llm", "credential_ref"], "msg": "is gone", "code": "credential_not_found", "hint": None, "line": 1}
    api.will("POST", "/api/v1/agents/validate", Answer(200, {"errors": [], "warnings": [gone]}))
    api.will("POST", "/api/v1/agents/my-agent/publish", Answer(200, published))
    asked_for = READY | {"id": "i-3", "version": 3, "lane": "canary"}
    running = {"items": [{"instances": [asked_for, READY | {"lane": "stable"}]}], "next_cursor": None}
    api.will("GET", DEPLOYMENTS, Answer(200, running))
    ran = kgents("agents", "publish", "my-agent")
    assert ran.out == "my-agent version 2 is running.\n"
    assert "version 3 is published, but version 2 is labelled stable" in ran.err
    assert "my-agent: warning: llm.credential_ref: is gone [credential_not_found]" in ran.err


def test_create_draft_publishes_nothing(kgents: Kgents, api: Api, config: Path):
    publishable(api)
    ran = kgents("create", "--config", str(config), "--draft")
    assert ran.code == 0
    assert "kgents agents publish my-agent" in ran.out
    assert api.bodies("POST", "/api/v1/agents/my-agent/publish") == []


def test_broken_toml_is_shown_with_file_line_and_column(kgents: Kgents, api: Api, config: Path):
    fault = {"loc": [], "msg": "expected a value", "hint": "write it in quotes", "line": 3, "column": 5}
    api.will("POST", "/api/v1/agents", Answer(422, {"detail": "The TOML has faults.", "errors": [fault]}))
    ran = kgents("create", "--config", str(config))
    assert (ran.code, ran.out) == (2, "")
    assert f"{config}:3:5: expected a value (write it in quotes)" in ran.err


def test_every_fault_of_a_definition_is_shown_with_its_hint(kgents: Kgents, api: Api, config: Path):
    faults = [
        {"loc": ["sytem_prompt"], "msg": "unknown field", "hint": '"sytem_prompt": did you mean "system_prompt"?'},
        {"loc": ["limits", "memory_mb"], "msg": "must be a whole number", "hint": None},
    ]
    api.will(
        "POST",
        "/api/v1/agents",
        Answer(422, {"detail": "It has 2 faults. Each is listed in errors.", "errors": faults}),
    )
    ran = kgents("create", "--config", str(config))
    assert ran.code == 2
    assert 'sytem_prompt: unknown field ("sytem_prompt": did you mean "system_prompt"?)' in ran.err
    assert "limits.memory_mb: must be a whole number" in ran.err
    assert ran.err.startswith("kgents: It has 2 faults:\n")


def test_an_instance_that_fails_is_told_with_its_reason(kgents: Kgents, api: Api, config: Path):
    publishable(api)
    failed = READY | {"state": "failed", "last_error": "out of memory"}
    api.will("GET", DEPLOYMENTS, Answer(200, {"items": [{"instances": [failed]}], "next_cursor": None}))
    ran = kgents("create", "--config", str(config))
    assert ran.code == 1
    assert "out of memory" in ran.err
    assert "kgents logs my-agent" in ran.err


def test_waiting_for_an_instance_ends(kgents: Kgents, api: Api, config: Path):
    publishable(api)
    api.will("GET", DEPLOYMENTS, Answer(200, {"items": [], "next_cursor": None}))
    ran = kgents("create", "--config", str(config), "--timeout", "0.2")
    assert ran.code == 1
    assert "was not ready after" in ran.err


def test_agents_list_follows_the_pages(kgents: Kgents, api: Api):
    first = {
        "items": [{"name": "one", "status": "published", "version": 3, "draft": {"description": "first"}}],
        "next_cursor": "c1",
    }
    second = {
        "items": [{"name": "second", "status": "draft", "version": None, "draft": {"description": ""}}],
        "next_cursor": None,
    }
    api.will("GET", "/api/v1/agents", Answer(200, first), Answer(200, second))
    ran = kgents("agents", "list")
    assert [line.split() for line in ran.out.splitlines()[1:]] == [
        ["one", "published", "3", "first"],
        ["second", "draft", "-"],
    ]
    assert "cursor=c1" in api.seen[-1].path


def test_agents_get_update_publish_stop_and_delete_ask_for_what_their_names_say(kgents: Kgents, api: Api, config: Path):
    publishable(api)
    api.will("GET", "/api/v1/agents/my-agent", Answer(200, {"name": "my-agent", "version": 2}))
    api.will("POST", "/api/v1/agents/my-agent/stop", Answer(200, {"name": "my-agent"}))
    api.will("DELETE", "/api/v1/agents/my-agent", Answer(204))
    assert kgents("agents", "publish", "my-agent").out == "my-agent version 2 is running.\n"
    shown = kgents("agents", "get", "my-agent").err
    assert "instance i-1: version 2, ready, process 41, 0 restarts, 0.5 s of a processor, 9.1 MB\n" in shown
    assert kgents("agents", "get", "my-agent", "--json").json["name"] == "my-agent"
    assert kgents("agents", "update", "my-agent", "--config", str(config)).code == 0
    assert kgents("agents", "stop", "my-agent").code == 0
    assert kgents("agents", "delete", "my-agent", "--yes").out == "my-agent is deleted.\n"


def test_delete_asks_first(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ran = kgents("agents", "delete", "my-agent")
    assert ran.code == 1
    assert "nothing was deleted" in ran.err
    assert [seen.method for seen in api.seen if seen.method == "DELETE"] == []


def test_delete_where_nobody_can_answer_says_how_to_go_on(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ran = kgents("agents", "delete", "my-agent")
    assert ran.code == 2
    assert "kgents agents delete my-agent --yes" in ran.err
    assert [seen.method for seen in api.seen if seen.method == "DELETE"] == []


def test_an_agent_that_is_not_there_is_bad_input_and_says_where_to_look(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/agents/nobody", Answer(404, {"detail": "no agent nobody", "code": "agent_not_found"}))
    ran = kgents("agents", "get", "nobody")
    assert ran.code == 2
    assert "no agent nobody" in ran.err
    assert "kgents agents list" in ran.err


def test_a_fault_of_the_server_names_where_the_log_has_more(kgents: Kgents, api: Api):
    problem = {"detail": "Something failed inside.", "code": "internal_error", "correlation_id": "c-77"}
    api.will("GET", "/api/v1/agents", Answer(500, problem))
    ran = kgents("agents", "list")
    assert ran.code == 1
    assert "kgents server logs has more under c-77" in ran.err


def test_an_answer_that_is_no_json_is_still_a_sentence(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/agents", Answer(502, "<html>bad gateway</html>", "text/html"))
    ran = kgents("agents", "list")
    assert ran.code == 1
    assert "the server answered with status 502" in ran.err


def test_logs_prints_lines(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/agents/my-agent/logs", Answer(200, {"items": ["one", {"line": "two"}]}))
    assert kgents("logs", "my-agent", "--tail", "2").out == "one\ntwo\n"
    assert "tail=2" in api.seen[-1].path
    assert kgents("logs", "my-agent", "--json").json == ["one", {"line": "two"}]


def test_an_agent_of_an_organisation_is_made_or_updated_under_its_name(kgents: Kgents, api: Api, config: Path):
    made = {"id": "a-1", "name": "my-agent", "organisation": "acme"}
    taken = Answer(409, {"detail": "There is one.", "code": "name_taken"})
    ready = {"items": [{"instances": [READY]}], "next_cursor": None}
    path = "/api/v1/agents/acme~my-agent"
    api.will("POST", "/api/v1/agents", taken)
    api.will("PUT", path, Answer(200, made))
    api.will("POST", f"{path}/publish", Answer(200, {"name": "my-agent", "version": 2}))
    api.will("GET", f"{path}/deployments", Answer(200, ready))
    ran = kgents("create", "--config", str(config), "--organisation", "acme")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "acme~my-agent version 2 is running."
    posted = next(one for one in api.seen if one.method == "POST" and one.path.startswith("/api/v1/agents"))
    assert "organisation=acme" in f"{posted}"
    draft = {"description": ""}
    listed = [made | {"status": "published", "version": 2, "draft": draft}]
    api.will("GET", "/api/v1/agents", Answer(200, {"items": listed, "next_cursor": None}))
    assert kgents("agents", "list").out.splitlines()[1].split() == ["acme~my-agent", "published", "2"]
