"""`kgents templates …` and `kgents create --template`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

TEAM: dict[str, Any] = {
    "name": "team",
    "version": "1.2.0",
    "author": "Ada",
    "description": "Two that work together.",
    "tags": ["research"],
    "needs_kgents": "0.1",
    "source": "built_in",
    "usage": "kgents create --template team\n",
    "agents": [
        {"name": "news", "definition": 'name = "news"\n', "scenarios": 'agent = "agent.toml"\n'},
        {"name": "news-writer", "definition": 'name = "news-writer"\n', "scenarios": 'agent = "agent-writer.toml"\n'},
    ],
}
SUMMARY = {key: value for key, value in TEAM.items() if key != "usage"} | {"agents": 2}
READY = {"id": "i-1", "state": "ready", "version": 1, "pid": 41, "restarts": 0, "last_error": None}


def offer(api: Api) -> None:
    api.will("GET", "/api/v1/templates", Answer(200, {"items": [SUMMARY], "next_cursor": None}))
    api.will("GET", "/api/v1/templates/team", Answer(200, TEAM))
    for name in ("news", "news-writer"):
        api.will("GET", f"/api/v1/agents/{name}", Answer(404, {"detail": "none", "code": "agent_not_found"}))
        api.will("POST", f"/api/v1/agents/{name}/publish", Answer(200, {"name": name, "version": 1}))
        ready = {"items": [{"instances": [READY]}], "next_cursor": None}
        api.will("GET", f"/api/v1/agents/{name}/deployments", Answer(200, ready))
    api.will("POST", "/api/v1/agents", Answer(201, {"name": "news"}), Answer(201, {"name": "news-writer"}))


def made(api: Api) -> list[str]:
    return api.bodies("POST", "/api/v1/agents")


def test_the_list_shows_what_there_is(kgents: Kgents, api: Api):
    offer(api)
    ran = kgents("templates", "list", "--search", "two", "--tag", "research")
    assert ran.out.splitlines()[1].split()[:4] == ["team", "1.2.0", "2", "research"]
    assert ran.out.splitlines()[1].endswith("Two that work together.")
    assert "search=two&tag=research" in api.seen[-1].path
    assert kgents("templates", "list", "--json").json == [SUMMARY]


def test_show_prints_usage_and_definitions(kgents: Kgents, api: Api):
    offer(api)
    ran = kgents("templates", "show", "team")
    assert "team 1.2.0 by Ada, built in; needs Kgents 0.1" in ran.out
    assert "kgents create --template team" in ran.out
    assert '--- news-writer\nname = "news-writer"' in ran.out
    assert kgents("templates", "show", "team", "--json").json == TEAM


def test_a_template_that_is_not_there_says_where_to_look(kgents: Kgents, api: Api):
    missing = Answer(404, {"detail": "There is no such template.", "code": "template_not_found"})
    api.will("GET", "/api/v1/templates/nothing", missing)
    for command in (("templates", "show", "nothing"), ("create", "--template", "nothing")):
        ran = kgents(*command)
        assert ran.code == 2
        assert "kgents templates list" in ran.err


def test_create_makes_and_publishes_every_agent_of_a_template(kgents: Kgents, api: Api):
    offer(api)
    ran = kgents("create", "--template", "team", "--name", "news")
    assert ran.code == 0, ran.err
    assert made(api) == ['name = "news"\n', 'name = "news-writer"\n']
    assert "news version 1 is running." in ran.out
    assert "news-writer version 1 is running." in ran.out
    assert any("agent_name=news" in seen.path for seen in api.seen)


def test_create_from_a_template_can_stop_at_the_draft(kgents: Kgents, api: Api):
    offer(api)
    ran = kgents("create", "--template", "team", "--draft")
    assert ran.code == 0, ran.err
    assert ran.out.count("draft made") == 2
    assert not api.bodies("POST", "/api/v1/agents/news/publish")


def test_a_template_replaces_no_agent(kgents: Kgents, api: Api):
    offer(api)
    api.will("GET", "/api/v1/agents/news-writer", Answer(200, {"name": "news-writer"}))
    ran = kgents("create", "--template", "team")
    assert ran.code == 2
    assert "there is an agent named news-writer already" in ran.err
    assert made(api) == []


@pytest.mark.parametrize("command", [("templates", "copy", "team"), ("create", "--template", "team")], ids=" ".join)
def test_a_name_that_no_agent_can_have_is_told_by_its_option(kgents: Kgents, api: Api, command: tuple[str, ...]):
    fault = {"loc": ["query", "agent_name"], "msg": "String should match pattern '^[a-z]'", "code": "bad"}
    api.will("GET", "/api/v1/templates/team", Answer(422, {"detail": "It can't be read.", "errors": [fault]}))
    ran = kgents(*command, "--name", "No Name")
    assert ran.code == 2
    assert '--name: no agent can be called "No Name"' in ran.err
    assert "a-z, 0-9 and hyphens" in ran.err
    assert "agent_name" not in ran.err
    assert made(api) == []


def test_where_no_template_is_found_the_next_step_is_written_as_the_command_was_called(
    kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch
):
    api.will("GET", "/api/v1/templates", Answer(200, {"items": [], "next_cursor": None}))
    monkeypatch.setenv("KGENTS_CALLED", "./kgents")
    assert kgents("templates", "list").err == "No template is like that; all of them: ./kgents templates list\n"


@pytest.mark.parametrize(
    "words",
    [(), ("--config", "a.toml", "--template", "team"), ("--config", "a.toml", "--name", "a"), ("--name", "a")],
    ids=" ".join,
)
def test_create_takes_a_file_or_a_template(kgents: Kgents, api: Api, words: tuple[str, ...]):
    ran = kgents("create", *words)
    assert ran.code == 2
    assert "--template" in ran.err
    assert api.seen == []


def test_copy_writes_files_and_overwrites_none_unasked(kgents: Kgents, api: Api, tmp_path: Path):
    offer(api)
    folder = tmp_path / "agents"
    ran = kgents("templates", "copy", "team", "--name", "news", "--out", str(folder))
    assert ran.code == 0, ran.err
    names = ["news.scenarios.toml", "news-writer.scenarios.toml", "news-writer.toml", "news.toml"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert (folder / "news.toml").read_text() == 'name = "news"\n'
    assert (folder / "news-writer.scenarios.toml").read_text() == 'agent = "news-writer.toml"\n'
    (folder / "news.toml").write_text("changed")
    again = kgents("templates", "copy", "team", "--out", str(folder))
    assert again.code == 2
    assert "news.toml is there already" in again.err
    assert (folder / "news.toml").read_text() == "changed"
    assert kgents("templates", "copy", "team", "--out", str(folder), "--force").code == 0
    assert (folder / "news.toml").read_text() == 'name = "news"\n'


def test_copy_writes_through_no_link(kgents: Kgents, api: Api, tmp_path: Path):
    offer(api)
    folder, elsewhere = tmp_path / "agents", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "news.toml").symlink_to(elsewhere)
    copy = ("templates", "copy", "team", "--name", "news", "--out", str(folder))
    assert kgents(*copy).code == 2
    assert kgents(*copy, "--force").code == 0
    assert (folder / "news.toml").read_text() == 'name = "news"\n'
    assert not elsewhere.exists()
