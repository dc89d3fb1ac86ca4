"""What a user gets wrong is said in a sentence on stderr, with the exit code that the help promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kgents_cli.faults import as_called
from kgents_cli.home import Home
from kgents_cli.main import COMMANDS

from .conftest import Api, Kgents


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("frobnicate",), "no such command: 'frobnicate'"),
        (("creat",), "did you mean 'create'?"),
        (("server", "fly"), "No such command 'fly'"),
        (("budgets", "remove"), "There are: delete, list, set"),
        (("create",), "name one of --config FILE, --template TEMPLATE and --describe TEXT"),
        (("message", "only-an-agent"), "Missing argument 'TEXT'"),
        (("logs", "a", "--tail", "0"), "0 is not in the range"),
        (("completion", "csh"), "'csh' is not one of"),
        (("agents", "list", "--jason"), "No such option"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_exit_2(kgents: Kgents, arguments: tuple[str, ...], said: str):
    ran = kgents(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert "--help" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("token",),
        ("agents", "list"),
        ("message", "a", "Hello"),
        ("logs", "a"),
        ("server", "stop"),
        ("server", "status"),
    ],
)
def test_without_a_server_everything_that_needs_one_is_exit_3_and_says_how_to_start_it(
    kgents: Kgents, arguments: tuple[str, ...]
):
    ran = kgents(*arguments)
    assert ran.code == 3
    assert ran.out == ""
    assert "kgents server start" in ran.err


@pytest.mark.parametrize("arguments", [("token",), ("server", "status")])
def test_the_next_step_is_written_as_the_command_was_called(
    kgents: Kgents, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
):
    monkeypatch.setenv("KGENTS_CALLED", "./kgents")
    assert "tart it with: ./kgents server start\n" in kgents(*arguments).err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_a_sentence_is_written_as_it_was_called(monkeypatch: pytest.MonkeyPatch, command: str):
    monkeypatch.setenv("KGENTS_CALLED", "./kgents")
    assert as_called(f"go on with: kgents {command} --help") == f"go on with: ./kgents {command} --help"


def test_an_address_where_nothing_answers_is_exit_3(kgents: Kgents, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KGENTS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("KGENTS_TOKEN", "t")
    ran = kgents("agents", "list")
    assert ran.code == 3
    assert "no server answers at http://127.0.0.1:9" in ran.err
    assert "KGENTS_URL" in ran.err


def test_a_config_file_that_is_not_there_is_exit_2(kgents: Kgents, tmp_path: Path):
    ran = kgents("create", "--config", str(tmp_path / "nothing.toml"))
    assert ran.code == 2
    assert f"{tmp_path}/nothing.toml: No such file or directory" in ran.err


def test_an_empty_message_is_exit_2(kgents: Kgents):
    assert kgents("message", "a", "  ").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("message", "a", "not UTF-8: \udcff"), "not UTF-8 text"),
        (("message", "a", "Hello", "--conversation", ""), "--conversation is empty"),
        (("message", "a", "Hello", "--conversation", "c-1", "--continue"), "say different things"),
        (("create", "--config", "a.toml", "--timeout", "-1"), "-1.0 is not in the range"),
        (("man", "--directory", "/proc/nowhere"), "/proc/nowhere"),
    ],
)
def test_what_can_be_no_input_is_exit_2_without_a_server(kgents: Kgents, arguments: tuple[str, ...], said: str):
    ran = kgents(*arguments)
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        (("validate", ""), "'FILE'"),
        (("dev", ""), "'FILE|FOLDER...'"),
        (("test-agent", ""), "'FILE...'"),
        (("migrate", "a.yaml", "--out", ""), "'--out'"),
        (("create", "--config", ""), "'--config'"),
        (("templates", "copy", "chatbot", "--out", ""), "'--out'"),
    ],
    ids=" ".join,
)
def test_an_empty_path_means_no_folder(kgents: Kgents, arguments: tuple[str, ...], parameter: str):
    ran = kgents(*arguments)
    assert ran.code == 2
    assert f"Invalid value for {parameter}: the path is empty" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--template", "chatbot"),
        ("dev", "."),
        ("kinds", "ghosts", "list"),
        ("migrate", ".", "--out", "out", "--deploy"),
        ("profiles", "create", "desk", "--agent", "desk"),
        ("validate", "a.toml", "--server"),
        ("wrappers", "create", "desk", "--agent", "desk"),
    ],
    ids=lambda words: words[0],
)
def test_an_organisation_without_a_name_is_told_by_its_option(kgents: Kgents, api: Api, arguments: tuple[str, ...]):
    ran = kgents(*arguments, "--organisation", "")
    assert ran.code == 2
    assert "Invalid value for '--organisation': the organisation's name is empty" in ran.err
    assert api.seen == []


def test_an_agent_without_a_name_is_exit_2(kgents: Kgents, api: Api):
    ran = kgents("agents", "get", "")
    assert ran.code == 2
    assert "the agent's name is empty" in ran.err
    assert [seen for seen in api.seen if seen.method == "GET"] == []


def test_an_agents_name_is_one_segment_of_the_path(kgents: Kgents, api: Api):
    assert kgents("agents", "get", "a/../b?x#y ü").code == 2
    assert api.seen[-1].path == "/api/v1/agents/a%2F..%2Fb%3Fx%23y%20%C3%BC"


@pytest.mark.parametrize("arguments", [(), ("agents",), ("server",)])
def test_a_group_alone_shows_its_help_once_on_stderr(kgents: Kgents, arguments: tuple[str, ...]):
    ran = kgents(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: kgents")
    assert ran.err.count("Usage:") == 1


@pytest.mark.parametrize("address", ["nonsense", "ftp://x", "http://", "http://[", "http://a:b"])
def test_a_url_that_is_no_address_is_exit_2(kgents: Kgents, monkeypatch: pytest.MonkeyPatch, address: str):
    monkeypatch.setenv("KGENTS_URL", address)
    monkeypatch.setenv("KGENTS_TOKEN", "t")
    ran = kgents("agents", "list")
    assert ran.code == 2
    assert "KGENTS_URL is no address" in ran.err


@pytest.mark.parametrize("token", ["a\nb", "ü"])
def test_a_token_that_can_be_none_is_exit_2(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch, token: str):
    monkeypatch.setenv("KGENTS_TOKEN", token)
    ran = kgents("agents", "list")
    assert ran.code == 2
    assert "KGENTS_TOKEN" in ran.err
    assert api.seen == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_the_output_is_one_sentence(tmp_path: Path):
    command = f"{sys.executable} -m kgents_cli completion zsh >/dev/full"
    environment = os.environ | {"KGENTS_HOME": str(tmp_path), "NO_COLOR": "1"}
    answer = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr == "kgents: No space left on device\n"


def test_a_broken_config_toml_names_its_line(kgents: Kgents, home: Home):
    home.path.mkdir()
    (home.path / "config.toml").write_text("port = \n")
    ran = kgents("doctor", "--json")
    [found] = [finding for finding in ran.json if finding["name"] == "home"]
    assert ran.code == 1
    assert found["level"] == "fail"
    assert "line 1" in found["detail"]


def test_a_reader_that_leaves_early_is_no_traceback(tmp_path: Path):
    command = f"{sys.executable} -m kgents_cli completion zsh | true"
    environment = os.environ | {"KGENTS_HOME": str(tmp_path)}
    answer = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in answer.stderr
