"""The commands that ask nobody, and what they show beside their results."""

from __future__ import annotations

import io
import platform
import sys
import time

import pytest

from kgents_cli import terminal
from kgents_cli.client import server_url
from kgents_cli.faults import CliError, NotRunning
from kgents_cli.home import Home

from .conftest import Kgents


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def screen_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes stderr a terminal; called in the test, since pytest takes stderr back between a fixture and its test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def test_version_is_for_people_and_for_scripts(kgents: Kgents):
    assert f"python    {platform.python_version()}" in kgents("version").out
    assert kgents("version", "--json").json["python"] == platform.python_version()
    assert kgents("--version").out.startswith("kgents ")


def test_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch):
    screen = screen_of(monkeypatch)
    assert terminal.style("x", "red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.style("x", "red") == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert terminal.style("x", "red") == "x"
    assert screen.getvalue() == ""


def test_a_fault_shows_its_lines_and_its_hint(monkeypatch: pytest.MonkeyPatch):
    screen = screen_of(monkeypatch)
    CliError("it broke", lines=["here", "and there"], hint="mend it").show()
    assert screen.getvalue() == ("\x1b[31mkgents:\x1b[0m it broke\n  here\n  and there\n  \x1b[36m→\x1b[0m mend it\n")


def test_progress_on_a_terminal_is_one_line_that_is_wiped(monkeypatch: pytest.MonkeyPatch):
    screen = screen_of(monkeypatch)
    with terminal.progress("working") as shown:
        deadline = time.monotonic() + 10
        while "working" not in screen.getvalue():
            assert time.monotonic() < deadline
        shown.update("still working")
        while "still working" not in screen.getvalue():
            assert time.monotonic() < deadline
    assert "\n" not in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[2K")


def test_progress_that_is_over_at_once_writes_nothing(capsys: pytest.CaptureFixture[str]):
    with terminal.progress("working"):
        pass
    assert capsys.readouterr().err == ""


def test_the_address_is_the_one_that_is_named_else_the_running_hosts(home: Home):
    assert server_url(home, {"KGENTS_URL": "https://far/"}) == "https://far"
    with pytest.raises(NotRunning):
        server_url(home, {})
