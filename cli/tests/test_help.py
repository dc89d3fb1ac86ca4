"""Every command explains itself, and the manual and the completion are made from the same words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from kgents_cli.main import COMMANDS, cli, run
from kgents_cli.manual import contexts, markdown, write_manual

from .conftest import Kgents

ALL = {context.command_path: context for context in contexts(cli, "kgents")}


@pytest.mark.parametrize("path", ALL)
def test_each_command_says_what_it_does_and_gives_an_example(path: str):
    text = ALL[path].get_help()
    assert ALL[path].command.help
    assert "Examples:" in text or path == "kgents"
    assert f"Usage: {path}" in text


def test_the_list_of_commands_says_what_the_commands_say_of_themselves():
    for name, (_, line) in COMMANDS.items():
        first = (ALL[f"kgents {name}"].command.help or "").partition("\n\n")[0]
        assert " ".join(first.split()).startswith(line.rstrip(".")), name


def test_help_imports_no_http_client():
    code = "import sys; from kgents_cli.main import run; run(['--help']); sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_there_is_a_manual_page_for_each_command_with_its_options_and_examples(tmp_path: Path):
    pages = {page.name: page.read_text() for page in write_manual(tmp_path)}
    assert set(pages) == {f"{path.replace(' ', '-')}.1" for path in ALL}
    create = pages["kgents-create.1"]
    assert create.startswith('.TH "KGENTS-CREATE" "1"')
    assert ".SH EXAMPLES" in create
    assert "\\-\\-config FILE" in create
    assert ".SH EXIT STATUS" in pages["kgents.1"]
    for name, text in pages.items():
        for line in text.splitlines():
            assert not line.startswith("'"), f"{name}: {line!r} would be a roff request"
            assert not line.startswith(".") or line[1:3].isupper() or line.split()[0] in {".nf", ".fi", ".B"}, line


def test_man_writes_below_the_folder_that_is_named(kgents: Kgents, tmp_path: Path):
    ran = kgents("man", "--directory", str(tmp_path / "share"))
    assert ran.code == 0
    assert (tmp_path / "share/man1/kgents-server-start.1").is_file()
    assert f"{len(ALL)} pages" in ran.out


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(kgents: Kgents, shell: str):
    ran = kgents("completion", shell)
    assert ran.code == 0
    assert "_KGENTS_COMPLETE" in ran.out


def test_completion_knows_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("_KGENTS_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", "kgents server st")
    monkeypatch.setenv("COMP_CWORD", "st")
    with pytest.raises(SystemExit):
        run([])
    rows = capsys.readouterr().out.splitlines()
    assert [row.partition(",")[2].partition("\t")[0] for row in rows] == ["start", "status", "stop"]


def test_every_option_has_a_help_text():
    for context in ALL.values():
        for option in context.command.params:
            assert not isinstance(option, click.Option) or option.help, f"{context.command_path} {option.name}"


def test_the_page_in_docs_is_what_the_commands_say():
    page = Path(__file__).resolve().parents[2] / "docs/cli.md"
    assert page.read_text() == markdown(), "make it anew: python -m kgents_cli.manual"


def test_a_list_of_commands_says_the_whole_sentence_of_each(kgents: Kgents):
    shown = " ".join(kgents("runs", "--help").out.split())
    assert (
        "Follow a run from its beginning to its end, through approvals, new tries and restarts of the server" in shown
    )
    assert "..." not in shown.partition("Commands:")[2]
