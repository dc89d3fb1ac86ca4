"""What an agent, its log or a server says can't steer the terminal that shows it."""

from __future__ import annotations

import json
import sys

import pytest

from kgents_cli.tables import show_table
from kgents_cli.terminal import harmless

from .conftest import Answer, Api, Kgents

TITLE, CLEAR, TURNED = "\x1b]0;owned\x07", "\x1b[2J", "\u202etxt.exe"
STEERING = f"a{TITLE}{CLEAR}{TURNED}\x9b31mb"


def is_quiet(text: str) -> bool:
    return all(char.isprintable() or char in "\n\t" for char in text)


@pytest.mark.parametrize("text", ["plain\n\ttext\r\n", "grüße 👋 日本 עברית", "❌ 100 %"])
def test_text_stays_as_it_is(text: str):
    assert harmless(text) == text


def test_what_steers_is_made_visible():
    assert harmless("a\x1b[2J\rb\ud800") == "a\\x1b[2J\\rb\\ud800"


def test_an_agents_answer(kgents: Kgents, api: Api):
    events = (("delta", {"text": STEERING}), ("completed", {"text": STEERING + "\x07", "conversation_id": CLEAR}))
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    api.will("POST", "/api/v1/agents/a/message", Answer(200, text, "text/event-stream"))
    ran = kgents("message", "a", "Hi")
    assert is_quiet(ran.out + ran.err)
    assert "owned" in ran.out


def test_an_agents_log_and_its_definition(kgents: Kgents, api: Api):
    agent = {"name": "a", "status": "draft", "version": None, "draft": {"description": STEERING}}
    api.will("GET", "/api/v1/agents/a/logs", Answer(200, {"items": [STEERING]}))
    api.will("GET", "/api/v1/agents", Answer(200, {"items": [agent], "next_cursor": None}))
    api.will("GET", "/api/v1/agents/a", Answer(200, agent))
    for command in (("logs", "a"), ("agents", "list"), ("agents", "get", "a")):
        ran = kgents(*command)
        assert ran.code == 0
        assert is_quiet(ran.out)
        assert "owned" in ran.out


def test_a_servers_refusal(kgents: Kgents, api: Api):
    fault = {"loc": [STEERING], "msg": STEERING, "hint": STEERING}
    api.will("GET", "/api/v1/agents/a", Answer(422, {"detail": STEERING, "errors": [fault]}))
    ran = kgents("agents", "get", "a")
    assert ran.code == 2
    assert is_quiet(ran.err)


def test_a_table_fits_the_terminal_and_loses_no_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    name, text = "a-tool-of-a-long-name", "Says what it does at length. " * 9
    show_table(("name", "state", "description"), [(name, "active", text)])
    show_table(("id", "agent", "began", "error"), [("0" * 36, "a" * 63, "2026-11-21 21:53", "member_failed")])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[1].startswith(f"{name}  active  Says what it does at l")
    assert lines[1].endswith("…")
    assert lines[2:] == [
        f"{'ID':36}  AGENT",
        "    BEGAN             ERROR",
        f"{'0' * 36}  {'a' * 21}…",
        "    2026-11-21 21:53  member_failed",
    ]
