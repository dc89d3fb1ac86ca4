"""`kgents migrate`: what it writes, tells and deploys, and what it leaves alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from kgents_cli.migrating import migrate
from kgents_cli.migration.codes import MEANINGS, Code

from .conftest import Answer, Api, Kgents

DATA = Path(__file__).parent / "migration_data"
MIGRATE_PAGE = Path(__file__).parents[2] / "docs" / "migrate.md"
SOURCES = Path(migrate.__code__.co_filename).parent / "migration"


def deployable(api: Api, name: str) -> None:
    instance = {"id": "i-1", "state": "ready", "version": 1, "pid": 41, "restarts": 0, "last_error": None}
    deployments: dict[str, Any] = {"items": [{"instances": [instance]}], "next_cursor": None}
    api.will("POST", f"/api/v1/agents/{name}/publish", Answer(200, {"name": name, "version": 1}))
    api.will("GET", f"/api/v1/agents/{name}/deployments", Answer(200, deployments))


def test_each_agent_is_a_file_and_the_report_says_what_became_of_it(kgents: Kgents, tmp_path: Path) -> None:
    out = tmp_path / "agents"
    ran = kgents("migrate", str(DATA / "crewai" / "agents.yaml"), "--out", str(out))
    assert (ran.code, ran.err) == (0, "")
    assert sorted(file.name for file in out.iterdir()) == ["market-researcher.toml", "report-writer.toml"]
    assert f"{out}/report-writer.toml  from {DATA}/crewai/agents.yaml (crewai)" in ran.out
    assert "lost     tools: the tool 'SerperDevTool' is code of the other system" in ran.out
    assert "to do    role: {topic}: CrewAI fills these in" in ran.out
    assert ran.out.endswith(f"2 written to {out}, 0 refused, 0 stay behind\n")


def test_the_report_as_json_has_every_note_with_its_place(kgents: Kgents, tmp_path: Path) -> None:
    ran = kgents("migrate", str(DATA / "crewai"), "--out", str(tmp_path / "o"), "--json")
    assert ran.code == 0
    assert set(ran.json) == {"converted", "refused", "skipped"}
    writer = next(one for one in ran.json["converted"] if one["name"] == "report-writer")
    assert writer["file"] == "report-writer.toml"
    assert writer["from"] == {
        "file": str(DATA / "crewai" / "agents.yaml"),
        "format": "crewai",
        "place": ["report_writer"],
    }
    [lost] = [note for note in writer["notes"] if note["code"] == "tool_not_here"]
    assert (lost["kind"], lost["place"]) == ("lost", ["report_writer", "tools"])
    assert "MCP server" in lost["hint"]
    assert {one["what"] for one in ran.json["skipped"]} >= {"task report_task of report_writer"}


def test_a_refused_definition_keeps_none_of_the_others_back_and_is_exit_code_2(kgents: Kgents, tmp_path: Path) -> None:
    out = tmp_path / "agents"
    ran = kgents("migrate", str(DATA / "openai"), "--out", str(out))
    assert ran.code == 2
    assert len(list(out.iterdir())) == 8
    assert f"refused  Blank  from {DATA}/openai/list.json (openai)" in ran.out
    assert "instructions: there are no instructions" in ran.out
    assert "1 definition could not be migrated" in ran.err


def test_files_that_say_something_else_are_left_alone_unless_it_is_asked_for(kgents: Kgents, tmp_path: Path) -> None:
    source = str(DATA / "crewai" / "agents.yaml")
    out = tmp_path / "agents"
    out.mkdir()
    (out / "report-writer.toml").write_text("mine")
    ran = kgents("migrate", source, "--out", str(out))
    assert ran.code == 2
    assert "nothing was written" in ran.err
    assert [file.name for file in out.iterdir()] == ["report-writer.toml"]
    assert (out / "report-writer.toml").read_text() == "mine"
    assert kgents("migrate", source, "--out", str(out), "--overwrite").code == 0
    assert 'name = "report-writer"' in (out / "report-writer.toml").read_text()
    assert kgents("migrate", source, "--out", str(out)).code == 0  # the same once more is no conflict


@pytest.mark.parametrize("there", [True, False], ids=["a file", "nothing"])
def test_a_link_is_not_written_through(kgents: Kgents, tmp_path: Path, there: bool) -> None:
    (tmp_path / "old.yaml").write_text("name: one\nprompt: x\n")
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    if there:
        elsewhere.write_text("mine")
    out.mkdir()
    (out / "one.toml").symlink_to(elsewhere)
    assert kgents("migrate", str(tmp_path / "old.yaml"), "--out", str(out)).code == 2
    assert kgents("migrate", str(tmp_path / "old.yaml"), "--out", str(out), "--overwrite").code == 0
    assert not (out / "one.toml").is_symlink()
    assert 'name = "one"' in (out / "one.toml").read_text()
    assert (elsewhere.read_text() == "mine") if there else not elsewhere.exists()


def test_a_folder_is_searched_without_what_is_hidden_and_a_file_is_read_once(kgents: Kgents, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    (folder / "sub").mkdir(parents=True)
    (folder / ".cache").mkdir()
    (folder / "one.yaml").write_text("name: one\nprompt: x\n")
    (folder / "sub" / "two.yml").write_text("name: two\nprompt: x\n")
    (folder / ".cache" / "three.yaml").write_text("name: three\nprompt: x\n")
    (folder / "notes.txt").write_text("name: four\n")
    ran = kgents("migrate", str(folder / "one.yaml"), str(folder), "--out", str(tmp_path / "o"), "--json")
    assert ran.code == 0
    assert [one["name"] for one in ran.json["converted"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("path", "words"), [("nowhere.yaml", "there is no such file or folder"), ("empty", "no file of .json, .yaml, .yml")]
)
def test_a_path_with_nothing_to_read_is_told(kgents: Kgents, tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    ran = kgents("migrate", str(tmp_path / path), "--out", str(tmp_path / "o"))
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert not (tmp_path / "o").exists()


def test_deploy_makes_and_publishes_each_agent_and_one_that_fails_stops_no_other(
    kgents: Kgents, api: Api, tmp_path: Path
) -> None:
    fault = {"loc": ["tools"], "msg": "nothing of that name", "hint": None}
    refused = Answer(422, {"detail": "The definition has a fault.", "code": "invalid_input", "errors": [fault]})
    api.will("POST", "/api/v1/agents", refused, Answer(201, {"id": "a-2", "name": "report-writer"}))
    deployable(api, "report-writer")
    out = tmp_path / "agents"
    ran = kgents("migrate", str(DATA / "crewai" / "agents.yaml"), "--out", str(out), "--deploy", "--json")
    assert ran.code == 1
    first, second = ran.json["deployed"]
    assert (first["name"], first["version"]) == ("market-researcher", None)
    assert "nothing of that name" in first["details"][0]
    assert second == {"name": "report-writer", "version": 1, "fault": None, "details": []}
    assert "not deployed: market-researcher" in ran.err
    assert api.bodies("POST", "/api/v1/agents")[1] == (out / "report-writer.toml").read_text()


def test_deploy_tells_how_to_talk_to_each_agent(kgents: Kgents, api: Api, tmp_path: Path) -> None:
    source = tmp_path / "one.yaml"
    source.write_text("name: one\nprompt: x\n")
    api.will("POST", "/api/v1/agents", Answer(201, {"id": "a-1", "name": "one"}))
    deployable(api, "one")
    ran = kgents("migrate", str(source), "--out", str(tmp_path / "o"), "--deploy")
    assert ran.code == 0
    assert 'one version 1 is running: kgents message one "Hello"' in ran.out
    assert "0 refused, 0 stay behind, 1 deployed" in ran.out


def test_without_a_server_the_files_are_written_and_deploying_says_what_to_start(
    kgents: Kgents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGENTS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("KGENTS_TOKEN", "given")
    source = tmp_path / "one.yaml"
    source.write_text("name: one\nprompt: x\n")
    ran = kgents("migrate", str(source), "--out", str(tmp_path / "o"), "--deploy")
    assert ran.code == 3
    assert "no server answers" in ran.err
    assert (tmp_path / "o" / "one.toml").exists()


def test_a_terminal_is_not_steered_by_what_a_file_says(kgents: Kgents, tmp_path: Path) -> None:
    source = tmp_path / "one.json"
    source.write_text('{"name": "one", "prompt": "x", "a\\u001b[2Jb": 1}')
    ran = kgents("migrate", str(source), "--out", str(tmp_path / "o"))
    assert ran.code == 0
    assert "a\\x1b[2Jb" in ran.out
    assert "\x1b" not in ran.out


def test_the_page_on_migration_explains_every_code_that_a_report_can_hold() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", MIGRATE_PAGE.read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == dict(MEANINGS)
    assert set(MEANINGS) == set(get_args(Code))


def test_every_code_is_one_that_a_conversion_can_give() -> None:
    text = "\n".join(file.read_text("utf-8") for file in SOURCES.glob("*.py") if file.name != "codes.py")
    assert {code for code in MEANINGS if f'"{code}"' not in text} == set()


def test_the_example_of_the_page_on_migration_runs_as_written(
    kgents: Kgents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", MIGRATE_PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    command, _, output = blocks["console"].partition("\n")
    (tmp_path / "agents.yaml").write_text(blocks["yaml"])
    monkeypatch.chdir(tmp_path)
    ran = kgents(*command.removeprefix("$ kgents ").split())
    assert (ran.code, ran.out) == (0, output)
    assert (tmp_path / "agents" / "editor.toml").read_text() == blocks["toml"]
