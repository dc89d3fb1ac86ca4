"""Installing what flows run on: once for each lock, never half, never under a server that uses the older one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kgents_cli.examination import check_langflow
from kgents_cli.faults import CliError
from kgents_cli.home import Home
from kgents_cli.langflow import LOCK, LangflowEnvironment, langflow_folder
from kgents_shared.definitions.flows.catalogue import catalogue, tools_component
from kgents_shared.langflow_environment import choose, command, environment_python, installed

from .conftest import Kgents

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPLOYMENT_LANGFLOW_DIR", str(tmp_path / "langflow"))
    return tmp_path / "langflow"


def pretend(folder: Path, name: str) -> None:
    """An environment as an install leaves it."""
    (folder / name / "bin").mkdir(parents=True)
    (folder / name / "bin" / "python").symlink_to(sys.executable)
    choose(folder, name)


def test_what_is_installed_is_not_installed_again(kgents: Kgents, folder: Path):
    wanted = LangflowEnvironment(ROOT, folder)
    pretend(folder, wanted.name)
    ran = kgents("langflow", "install")
    assert (ran.code, ran.out) == (0, f"What flows run on is installed already in {folder}.\n")
    assert kgents("langflow", "install", "--check").code == 0


@pytest.mark.parametrize(("name", "state"), [(None, "is not installed"), ("env-of-older-lock", "is outdated")])
def test_check_says_what_there_is_and_changes_nothing(kgents: Kgents, folder: Path, name: str | None, state: str):
    if name is not None:
        pretend(folder, name)
    ran = kgents("langflow", "install", "--check")
    assert (ran.code, ran.out) == (1, f"What flows run on {state} in {folder}.\n")
    assert installed(folder) == name


def test_an_install_that_fails_says_why_and_leaves_the_older_one_in_use(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pretend(folder, "env-older")
    program = tmp_path / "uv"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "uv 9.9.9" && exit\necho "no such index" >&2\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setenv("KGENTS_UV", str(program))
    said: list[str] = []
    with pytest.raises(CliError, match="no such index") as failed:
        LangflowEnvironment(ROOT, folder).install(said.append)
    assert "run kgents langflow install again" in (failed.value.hint or "")
    assert said == ["making an environment for Langflow's packages"]
    assert installed(folder) == "env-older"


def test_an_environment_is_named_after_its_lock(tmp_path: Path, folder: Path):
    (tmp_path / LOCK).parent.mkdir(parents=True)
    (tmp_path / LOCK).write_text("lfx==1.13.0\n")
    before = LangflowEnvironment(tmp_path, folder).name
    (tmp_path / LOCK).write_text("lfx==1.13.1\n")
    after = LangflowEnvironment(tmp_path, folder)
    assert after.name != before
    for name in (before, after.name):
        pretend(folder, name)
    after.remove_others()
    assert (installed(folder), sorted(path.name for path in folder.glob("env-*"))) == (after.name, [after.name])


@pytest.mark.parametrize("written", ["", "gone\n", "../elsewhere\n", "\udcff"])
def test_what_names_no_environment_is_none(folder: Path, written: str):
    folder.mkdir()
    (folder / "current").write_bytes(written.encode("utf-8", "surrogateescape"))
    (folder.parent / "elsewhere" / "bin").mkdir(parents=True)
    (folder.parent / "elsewhere" / "bin" / "python").touch()
    assert (installed(folder), environment_python(folder)) == (None, None)


def test_it_lies_in_the_home_unless_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    home = Home(tmp_path / "home")
    assert langflow_folder(home) == folder
    monkeypatch.delenv("DEPLOYMENT_LANGFLOW_DIR")
    assert langflow_folder(home) == tmp_path / "home" / "langflow"


def test_the_environments_python_finds_our_code_after_its_own(folder: Path):
    words = command(folder / "python", "import kgents_shared", "told")
    assert (words[0], words[1:3]) == (str(folder / "python"), ["-I", "-c"])
    assert words[4] == "told"
    assert str(ROOT / "shared" / "src") in words
    assert str(ROOT / "agent_runtime_service" / "worker" / "src") in words


def test_doctor_says_whether_flows_can_run(folder: Path, tmp_path: Path):
    home = Home(tmp_path)
    assert check_langflow(home).detail.startswith("not installed")
    pretend(folder, "env-older")
    assert (check_langflow(home).level, check_langflow(home).fix) == ("warn", "kgents langflow install")
    pretend(folder, LangflowEnvironment(ROOT, folder).name)
    assert check_langflow(home).level == "ok"


def test_the_component_for_langflow_is_printed_as_it_is_known(kgents: Kgents):
    ran = kgents("langflow", "component")
    assert (ran.code, ran.out) == (0, tools_component())
    assert catalogue().of_code(ran.out) == "KgentsTools"
