"""`kgents templates check`, and that every built-in template passes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent_management_service.templates.service import CATALOG
from kgents_shared.definitions.examine import examine

from .conftest import Kgents

TEMPLATES = sorted(path.name for path in CATALOG.iterdir())


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_built_in_template_is_valid_and_its_scenarios_pass(kgents: Kgents, name: str):
    ran = kgents("templates", "check", str(CATALOG / name))
    assert ran.code == 0, ran.out + ran.err
    assert " failed" not in ran.out
    assert f"kgents create --template {name}" in (CATALOG / name / "template.toml").read_text()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_built_in_template_gives_no_warning(name: str):
    for file in (CATALOG / name).glob("agent*.toml"):
        assert examine(file.read_bytes(), "toml").as_json() == {"errors": [], "warnings": []}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A template to spoil."""
    folder = tmp_path / "chatbot"
    shutil.copytree(CATALOG / "chatbot", folder)
    return folder


def test_a_template_of_ones_own_is_checked_where_it_lies(kgents: Kgents, mine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(mine)
    ran = kgents("templates", "check", ".", "--verbose")
    assert ran.code == 0, ran.err
    assert "chatbot 1.0.0: 1 agent(s), valid" in ran.out
    assert "| agent: You told me: Ada." in ran.out


def test_faults_are_told_with_file_and_line(kgents: Kgents, mine: Path):
    definition = mine / "agent.toml"
    definition.write_text(definition.read_text().replace("max_steps = 4", "max_steps = 4000"))
    (mine / "template.toml").write_text("version = 1\n")
    ran = kgents("templates", "check", str(mine))
    assert ran.code == 2
    line = next(number for number, text in enumerate(definition.read_text().splitlines(), 1) if "4000" in text)
    assert f"{definition}:{line}:" in ran.err
    assert "limits.max_steps" in ran.err
    assert f"{mine / 'template.toml'}" in ran.err


def test_a_failing_scenario_fails_the_template(kgents: Kgents, mine: Path):
    scenarios = mine / "scenarios.toml"
    scenarios.write_text(scenarios.read_text().replace('contains = ["Ada"]', 'contains = ["Grace"]', 1))
    ran = kgents("templates", "check", str(mine))
    assert ran.code == 1
    assert '"Grace" is not in the answer' in ran.out


def test_a_template_that_only_a_real_model_tests_is_not_ready(kgents: Kgents, mine: Path):
    scenarios = 'agent = "agent.toml"\n[[case]]\nname = "x"\nmodel = "real"\n[[case.turn]]\nuser = "Hi"\n'
    (mine / "scenarios.toml").write_text(scenarios)
    ran = kgents("templates", "check", str(mine))
    assert ran.code == 2
    assert "has no case with a scripted model" in ran.err


def test_what_is_no_folder_is_bad_input(kgents: Kgents, tmp_path: Path):
    ran = kgents("templates", "check", str(tmp_path / "nothing"))
    assert ran.code == 2
    assert "is no folder" in ran.err
